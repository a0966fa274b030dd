/**
 * The QuickJS WebAssembly module: found, compiled once a process, and described so that threads can
 * instantiate it synchronously without the emscripten loader. Names inside the module are minified; the
 * exports' real names are read off the package's own loader, the imports' letters are checked at load.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { EmscriptenModuleLoader, QuickJSEmscriptenModule } from '@jitl/quickjs-ffi-types';
import glueLoader from '@jitl/quickjs-ng-wasmfile-release-sync/emscripten-module';
import { RepriseError } from '../../bus/errors.ts';

/** What a thread needs to make instances; travels by structured clone, the compiled code is shared. */
export interface KernelWasm {
  module: WebAssembly.Module;
  /** Real export name (`QTS_Eval`, `malloc`) to the module's own. */
  exports: Record<string, string>;
  /** The module's own name of its constructors, to be called once an instance. */
  constructors: string;
  /** The module's own name of the function that tells the stack pointer. */
  stackPointer: string;
  /** sha256 (hex) of the wasm bytes. */
  digest: string;
}

/** Imports as this build names them. A build with others is refused, not guessed at. */
export const IMPORTS = {
  assertFail: 'b',
  fdWrite: 'c',
  fdClose: 'd',
  environGet: 'e',
  environSizesGet: 'f',
  normalizeModule: 'g',
  loadModule: 'h',
  interrupt: 'i',
  setTimer: 'j',
  resizeHeap: 'k',
  keepAliveClear: 'l',
  localTime: 'm',
  timeZone: 'n',
  fdSeek: 'o',
  dateNow: 'p',
  clockTimeGet: 'q',
  abort: 'r',
  exit: 's',
  callFunction: 't',
  freeHostRef: 'u',
} as const;

// The package's types say CommonJS, its module is not: what arrives is the function itself.
const loadGlue = glueLoader as unknown as EmscriptenModuleLoader<QuickJSEmscriptenModule>;

const MEMORY_IMPORT = 'a';

/** Reads, compiles and describes the module. @throws RepriseError INTERNAL when the build is not the known one. */
export async function loadKernelWasm(): Promise<KernelWasm> {
  const path = createRequire(import.meta.url).resolve('@jitl/quickjs-ng-wasmfile-release-sync/wasm');
  const bytes = await readFile(path);
  const module = await WebAssembly.compile(bytes);
  assertKnownImports(module);
  return {
    module,
    ...(await exportNames(module)),
    digest: createHash('sha256').update(bytes).digest('hex'),
  };
}

function assertKnownImports(module: WebAssembly.Module): void {
  const actual = WebAssembly.Module.imports(module).map((entry) => `${entry.name}:${entry.kind}`);
  const expected = [...Object.values(IMPORTS).map((name) => `${name}:function`), `${MEMORY_IMPORT}:memory`];
  if (actual.sort().join() !== expected.sort().join()) {
    throw new RepriseError('INTERNAL', 'this build of QuickJS has other imports than the kernel knows', {
      hint: 'install the exact version of @jitl/quickjs-ng-wasmfile-release-sync that package.json names',
    });
  }
}

/**
 * Runs the package's loader on stand-in exports that know their own names, and watches what it does with them:
 * under which name it offers each, which it calls at the start (the constructors), and which it calls first when
 * it is to put a string on the stack (the one that tells the stack pointer).
 */
async function exportNames(
  module: WebAssembly.Module,
): Promise<Pick<KernelWasm, 'exports' | 'constructors' | 'stackPointer'>> {
  const named = new Map<unknown, string>();
  const standIns: Record<string, () => number> = {};
  const called: string[] = [];
  for (const { name } of WebAssembly.Module.exports(module)) {
    const standIn = () => {
      called.push(name);
      return 0;
    };
    named.set(standIn, name);
    standIns[name] = standIn;
  }
  const glue = await loadGlue({
    wasmMemory: new WebAssembly.Memory({ initial: 1, maximum: 1 }),
    instantiateWasm(_imports, onSuccess) {
      onSuccess({ exports: standIns } as unknown as WebAssembly.Instance);
      return standIns as unknown as WebAssembly.Exports;
    },
  });
  const exports: Record<string, string> = {};
  for (const [key, value] of Object.entries(glue)) {
    const name = named.get(value);
    if (key.startsWith('_') && name !== undefined) exports[key.slice(1)] = name;
  }
  const constructors = called[0]!;
  called.length = 0;
  glue.cwrap('QTS_TestStringArg', null, ['string'])('-');
  return { exports, constructors, stackPointer: called[0]! };
}
