/**
 * Bundles the prelude into one script. Plain JavaScript, because `cli/build.mjs` runs it too.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));

/**
 * The inspection library is a webpack bundle of Node's own code. Two of its modules guess at what the engine
 * knows; we put ours into its module cache before it starts. Each patch must match exactly once.
 */
const PATCHES = [
  // The cache starts with our modules, and the main module is required by us, after its builtins were bounded.
  ['const e={};return function n(r)', 'const e=libraryModules;return function n(r)'],
  ['t[r](i,i.exports,n),i.exports}(223)', 't[r](i,i.exports,n),i.exports}'],
  // This engine has no Atomics.
  ['["Atomics","JSON"', '["JSON"'],
  // Methods that users may have overwritten.
  ['seen:[]', 'seen:ownList()'],
  ['for(const n of t){if(c>=i)break;', 'for(const n of setItems(t)){if(c>=i)break;'],
  ['for(const{0:n,1:o}of t)', 'for(const{0:n,1:o}of mapItems(t))'],
  ['const n=t.indexOf(e);if(-1===n)', 'const n=qt(t,e);if(-1===n)'],
  ['t[r]===t[r].toLowerCase()', 't[r]===le(t[r])'],
  ['try{n=e.stack}catch{}', 'try{n=stackOf(e)}catch{}'],
  // What the newest Node writes otherwise than its LTS lines (20 to 24) is written as those do.
  ['s=t.stylize(e,"symbol")}', 's=`[${t.stylize(e,"symbol")}]`}'],
  ['return!1===i.enumerable&&(s=', 'return!1===i.enumerable&&"symbol"!=typeof r&&(s='],
  ['{ [byteLength]: ', '{ byteLength: '],
  ['`${t.stylize(`[${r}]`,"string")}: ${i}`', '`${an(e)?`[${r}]`:r}: ${i}`'],
  ['if(0!==s)for(let e=0;e<s;e++)u=', 'if(!1)u='],
  ['"<Revoked Proxy>","special");for(let n=0;n<s;n++)e=', '"<Revoked Proxy>","special");if(!1)e='],
  // URLs show themselves.
  ['return Pn=Pn||n(812),"string"==typeof t.href&&t instanceof Pn.URL', 'return!1'],
  // A rendering larger than this stops descending (Node: 2 ** 27).
  ['2**27', '2**18'],
];

/** Body of a function that returns the library's `require`. */
function inspectionLibrary() {
  const entry = createRequire(import.meta.url).resolve('node-inspect-extracted');
  const file = entry.endsWith('inspect.js') ? entry : join(dirname(entry), 'dist/inspect.js');
  let text = readFileSync(file, 'utf8');
  for (const [from, to] of PATCHES) {
    const parts = text.split(from);
    if (parts.length !== 2)
      throw new Error(`node-inspect-extracted changed: ${from} occurs ${parts.length - 1} times`);
    text = parts.join(to);
  }
  const body = /^.*?\(\(\)=>\{("use strict";.*\})\}\)\(\)\);?\s*$/s.exec(text)?.[1];
  if (body === undefined) throw new Error('node-inspect-extracted changed: its wrapper is not the known one');
  return body;
}

/**
 * The text of the prelude: a script whose completion value is the object of entry points.
 *
 * QuickJS looks ahead through every bracket that could begin an arrow function or a pattern, so brackets around
 * large texts are paid for once per level: hence functions instead of parentheses, and no long lines.
 */
export function bundlePrelude() {
  const contents = `
import { libraryModules, mapItems, ownList, setItems, stackOf, start } from './guest/main.ts';
function inspection() { ${inspectionLibrary()} }
export default start(inspection());
`;
  const result = buildSync({
    stdin: { contents, resolveDir: here, loader: 'js', sourcefile: 'prelude.js' },
    bundle: true,
    write: false,
    format: 'cjs',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    target: 'es2023',
    alias: { tr46: join(here, 'guest/domain.ts') },
    minify: true,
    lineLimit: 200,
    legalComments: 'none',
    charset: 'utf8',
    logLevel: 'silent',
  });
  // A lexical name, not a property: cells reach it, and nothing shows it.
  return `globalThis.__entries=function(module){${result.outputFiles[0].text}return module.exports.default}({});
const __reprise_began=globalThis.__entries.began;
[globalThis.__entries,delete globalThis.__entries][0]`;
}
