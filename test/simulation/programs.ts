/** The operations of a toy kernel as JavaScript, for the real one. */
import type { Op } from './toy-heap.ts';

/** A cell that performs the operations and results in the counter `n`. */
export function programOf(ops: readonly Op[]): string {
  return ['var n = n ?? 0;', ...ops.map(statementOf), 'n'].join('\n');
}

function statementOf(op: Op): string {
  switch (op[0]) {
    case 'inc':
      return 'n += 1;';
    case 'print':
      return `console.log(${JSON.stringify(op[1])}, n);`;
    case 'sleep':
      return `await new Promise((done) => setTimeout(done, ${op[1]}));`;
    case 'llm':
      return `await llm(${JSON.stringify(op[1])}, { model: 'echo' });`;
    case 'both':
      return `await Promise.all([new Promise((done) => setTimeout(done, ${op[1]})), llm('${op[2]}', { model: 'echo' })]);`;
    case 'later':
      return `setTimeout(() => { n += 1; }, ${op[1]});`;
    case 'exitLater':
      return `setTimeout(exit, ${op[1]});`;
    case 'compute':
      return `for (let i = 0; i < ${op[1] * 5_000}; i++);`;
    case 'fragile':
      // Whoever strikes it breaks the heap too: what was asked for is more than a turn may ask for.
      return 'for (;;) { try { setTimeout(() => {}, 1_000); } catch {} }';
    case 'flood':
      return `for (let i = 0; i < ${op[1]}; i++) console[i % 2 ? 'error' : 'log']('漢'.repeat(${op[2]}));`;
    case 'recite':
      return `await llm('漢'.repeat(${op[1]}), { model: 'echo' });`;
    case 'throw':
      return `throw new Error(${JSON.stringify(op[1])});`;
    case 'exit':
      return 'exit();';
    case 'poison':
      return 'n += 1_000; { const hold = []; for (;;) hold.push(new Uint8Array(1_000_000)); }';
    case 'hang':
      return '{ const spin = () => Promise.resolve().then(spin); spin(); for (;;); }';
  }
}
