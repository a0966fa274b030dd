/**
 * The prelude: everything of ours that runs inside the sandbox. It makes the globals that people expect, and gives
 * the host its entry points, which are the value of the script: nothing of them is visible to user code.
 */

import { takeScope } from './bindings.ts';
import { abandon, begin, cellDone, cellThrew, compileFailed, installCells } from './cells.ts';
import { installClock, setOrigin } from './clock.ts';
import { installClone } from './clone.ts';
import { installCollation } from './collation.ts';
import { installConsole } from './console.ts';
import { offer } from './effect-calls.ts';
import { answer } from './effects.ts';
import { installEvents } from './events.ts';
import { complete, inspectVariables } from './exploring.ts';
import { parse } from './intrinsics.ts';
import { jsonText } from './json.ts';
import { installProxy } from './kinds.ts';
import { installModels } from './llm.ts';
import { installLocale } from './locale.ts';
import { installNesting, uninstallNesting } from './nesting.ts';
import { installRandom, seed } from './random.ts';
import { began, installRejections, reportUnhandled, startReporting } from './rejections.ts';
import {
  describe,
  formatBounded,
  inspectBounded,
  libraryModules,
  mapItems,
  ownList,
  preview,
  setItems,
  startLibrary,
} from './rendering.ts';
import { askThroughHost, installStacks, prepare, stackOf } from './stacks.ts';
import { tableOf } from './table.ts';
import { installTimers } from './timers.ts';
import { installUrl } from './url.ts';
import { sessionBehaves, setVersion } from './version.ts';
import { bare } from './wall.ts';

export { libraryModules, mapItems, ownList, setItems, stackOf };

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

/**
 * Uses everything once that allocates on first use (regular expressions, shapes of objects), so that it lands in
 * the pristine heap, which all sessions share, and not in each session's image.
 */
function warmUp(): void {
  class Sample {
    field = 1;
  }
  const values = [
    1,
    'text',
    "it's",
    null,
    [1, 2, 3, 4, 5, 6, 7],
    { a: { b: 1 } },
    new Date(0),
    /x/,
    () => 1,
    Sample,
  ];
  const collections = [
    new Map([[1, 2]]),
    new Set([1]),
    new Uint8Array(8),
    new Sample(),
    Promise.resolve(1),
    5n,
  ];
  for (const value of [...values, ...collections, values, new Error('warm'), Symbol('warm')]) {
    inspectBounded(value);
    preview(value);
  }
  describe(new TypeError('warm', { cause: new Error('up') }));
  formatBounded(['%s %d %i %f %j %o %O %c %%', 'a', 1, 2, 3.5, {}, [], {}, '', 'rest']);
  tableOf([{ a: 1 }, { b: 'x' }], undefined);
  structuredClone({ values: [1], map: new Map([[1, { a: 1 }]]) });
  new URL('https://user@example.com:8080/a/../b?c=d#e').searchParams.append('f', 'g');
}

/** Installs the globals and returns the entry points. `load` requires modules of the inspection library. */
export function start(load: (module: number) => unknown): object {
  startLibrary(load);
  installProxy();
  installRandom();
  installClock();
  installConsole();
  installModels();
  installTimers();
  installRejections();
  installCells();
  installClone();
  installEvents();
  installLocale();
  installCollation();
  installNesting();
  installUrl();
  // Last: errors of the prelude itself need no translation.
  installStacks();
  warmUp();
  askThroughHost(true);
  return {
    boot: taking((session: { sessionId: string; createdMs: number; seed: string; version: number }) => {
      seed(`${session.sessionId}/${session.seed}`);
      setOrigin(session.createdMs);
      setVersion(session.version);
      startReporting();
      if (!sessionBehaves('overflowStacks')) askThroughHost(false);
      if (!sessionBehaves('nestingBounded')) uninstallNesting();
    }),
    takeScope,
    offer: taking(offer),
    begin: taking(begin),
    cellDone,
    cellThrew,
    answer: taking(answer),
    abandon: taking(abandon),
    failed: taking(abandon),
    compileFailed: taking(compileFailed),
    unhandled: reportUnhandled,
    prepare,
    began,
    inspect: answering(inspectVariables),
    complete: answering(complete),
    show: (value: unknown): string => inspectBounded(value).text,
    preview,
  };
}
