/**
 * The prelude: everything of ours that runs inside the sandbox. It makes the globals that people expect, and gives
 * the host its entry points, which are the value of the script: nothing of them is visible to user code.
 */
import { abandon, begin, cellDone, cellThrew, compileFailed, installCells } from './cells.ts';
import { installClock, setOrigin } from './clock.ts';
import { installClone } from './clone.ts';
import { installConsole } from './console.ts';
import { answer, installEffects } from './effects.ts';
import { installEvents } from './events.ts';
import { complete, inspectVariables } from './exploring.ts';
import { parse, stringify } from './intrinsics.ts';
import { installProxy } from './kinds.ts';
import { installLocale } from './locale.ts';
import { installRandom, seed } from './random.ts';
import { libraryModules, startLibrary } from './rendering.ts';
import { installStacks } from './stacks.ts';
import { installUrl } from './url.ts';

export { libraryModules };

/** Takes one JSON text. */
const taking =
  <T>(entry: (given: T) => void) =>
  (json: string): void =>
    entry(parse(json) as T);

/** Takes and returns one JSON text. */
const answering =
  <T, R>(entry: (given: T) => R) =>
  (json: string): string =>
    stringify(entry(parse(json) as T));

/** Installs the globals and returns the entry points. `load` requires modules of the inspection library. */
export function start(load: (module: number) => unknown): object {
  startLibrary(load);
  installProxy();
  installRandom();
  installClock();
  installConsole();
  installEffects();
  installCells();
  installClone();
  installEvents();
  installLocale();
  installUrl();
  // Last: errors of the prelude itself need no translation.
  installStacks();
  return {
    boot: taking((given: { sessionId: string; createdMs: number; seed: string }) => {
      seed(`${given.sessionId}/${given.seed}`);
      setOrigin(given.createdMs);
    }),
    begin: taking(begin),
    cellDone,
    cellThrew,
    answer: taking(answer),
    abandon: taking(abandon),
    failed: taking(abandon),
    compileFailed: taking(compileFailed),
    inspect: answering(inspectVariables),
    complete: answering(complete),
  };
}
