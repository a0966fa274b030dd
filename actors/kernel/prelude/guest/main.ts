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
import { parse } from './intrinsics.ts';
import { jsonText } from './json.ts';
import { installProxy } from './kinds.ts';
import { installLocale } from './locale.ts';
import { installRandom, seed } from './random.ts';
import { libraryModules, mapItems, ownList, setItems, startLibrary } from './rendering.ts';
import { installStacks } from './stacks.ts';
import { installUrl } from './url.ts';
import { bare } from './wall.ts';

export { libraryModules, mapItems, ownList, setItems };

/** What the host says, without a prototype: properties it left out are not looked up on Object.prototype. */
const given = (json: string): object => bare(parse(json) as object);

/** Takes one JSON text. */
const taking =
  <T>(entry: (what: T) => void) =>
  (json: string): void =>
    entry(given(json) as T);

/** Takes and returns one JSON text. */
const answering =
  <T, R>(entry: (what: T) => R) =>
  (json: string): string =>
    jsonText(entry(given(json) as T));

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
    boot: taking((session: { sessionId: string; createdMs: number; seed: string }) => {
      seed(`${session.sessionId}/${session.seed}`);
      setOrigin(session.createdMs);
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
