/**
 * Writes the golden history of this version: `node --import tsx test/histories/write.ts NAME`. Done once for
 * every released format; a written history is never changed, and must replay for ever.
 */
import { writeFileSync } from 'node:fs';
import { startWorld } from '../worker/world.ts';

const CELLS = [
  'let count = 41; count + 1',
  'const grow = ((n) => () => (n += 2))(0); [grow(), grow()]',
  "console.log('logged', new Map([['a', { b: [1, 2] }]])); console.error('complained')",
  'class Account { #sum = 0; add(by: number): number { return (this.#sum += by) } }; const account = new Account(); account.add(5)',
  'function* squares() { for (let i = 1; ; i++) yield i * i }; const square = squares(); [square.next().value, square.next().value]',
  'null.x',
  "const f = () => {\n  throw new RangeError('deep')\n}\nf()",
  '[Math.random(), crypto.randomUUID(), Date.now(), new Date().toISOString()]',
  "const answers = await Promise.all(['red', 'green', 'blue'].map((hue) => llm({ prompt: hue, model: 'echo' }))); answers",
  "try { await llm({ prompt: 'x', fail: 'refused' }) } catch (error) { [error.name, error.message] }",
  "await new Promise((done) => setTimeout(() => done('slept'), 20))",
  'let ticks = 0; const timer = setInterval(() => { if (++ticks === 2) clearInterval(timer) }, 5); await new Promise((done) => setTimeout(done, 40)); ticks',
  'await new Promise(() => {})',
  'structuredClone({ when: new Date(0), set: new Set([1]), bytes: new Uint8Array([1, 2]) })',
  "new URL('/a?b=c#d', 'https://example.org').searchParams.get('b') + btoa('hi') + new TextEncoder().encode('é').length",
  'enum Color { Red, Green }; Color[1]',
  'const { a, ...rest } = { a: 1, b: 2 }; let count2 = count++; [a, rest, count, count2]',
  '({ _: _, error: _error?.name })',
  'const {\n  length: size\n} = [1, 2]; size',
  'try {\n  null.x\n} catch ({ message: said }) { said }',
  'let stacks = [];\ntry {\n  1n +\n  1\n} catch (error) { stacks.push(error.stack) }\ntry {\n  [\n 1,\n ...null]\n} catch (error) { stacks.push(error.stack) }',
  'class Fields {\n  x = null.y;\n}\ntry {\n  new Fields()\n} catch (error) { stacks.push(error.stack) }\nstacks.join(String.fromCharCode(10))',
  'const chain = () => {\n  return (\n    null\n  ).x\n}\ntry { chain() } catch (error) { [error.stack, `${chain}`] }',
  'namespace Merged { export let inner = 1 }\nnamespace Merged { export let seen = typeof inner; export const local = () => { let inner = 2; return inner } }\n[Merged.seen, Merged.local()]',
  'namespace Merged { export const later = () => typeof inner }\nMerged.later()',
  '[`${Math.max}`, `${class {}.constructor}`, `${Object.getOwnPropertyDescriptor(Map.prototype, "size").get}`, `${function () {\u2028 return 1 }}`]',
];

const [name] = process.argv.slice(2);
if (!name) throw new Error('say a name, such as v1-tour');
await using world = await startWorld();
for (const [index, code] of CELLS.entries()) {
  await world.client.execute('golden', code, { commandId: `cell-${index + 1}` });
  if (index % 5 === 4) await world.client.forceSave('golden');
}
await world.client.execute('golden', 'for (;;);', { commandId: 'strike', timeoutMs: 50 });
await world.client.execute('golden', 'const hog = []; for (;;) hog.push(new Array(1000).fill(1))', { commandId: 'undone' });
await world.client.execute('golden', 'typeof hog', { commandId: 'after' });
await world.client.forceSave('golden');
await world.client.execute('golden', 'setTimeout(exit, 5); await new Promise(() => {})', { commandId: 'bye' });
const events = await world.events('golden');
const file = new URL(`${name}.jsonl`, import.meta.url);
writeFileSync(file, events.map((event) => `${JSON.stringify(event)}\n`).join(''), { flag: 'wx' });
