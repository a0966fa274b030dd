/**
 * Functions whose promise the prelude must get hold of: async ones, and executors written where a promise is made.
 * The engine makes these promises without any code of ours; at the start of such a function its own is the last that
 * was made. What `eval` and `Function` compile, and executors written elsewhere, are not seen. Pure.
 */
import type { Program, Token } from 'acorn';
import { BEGAN_CLOSE, BEGAN_MARKER, BEGAN_OPEN } from '../marker.ts';
import type { Rewriting } from './rewriting.ts';
import { isFunction, type SyntaxNode, walk } from './tree.ts';

const POSSIBLE = /\basync\b|\bnew\b|\bsuper\b/;

/**
 * Puts the marker at the start of each.
 * @param nests its brackets stand around whatever else is put into a body
 */
export function markBegan(
  out: Rewriting,
  text: string,
  program: Program,
  tokens: readonly Token[],
  nests: boolean,
): void {
  if (!POSSIBLE.test(text)) return;
  walk(program, (node, ancestors) => {
    if (isFunction(node) && !node.generator && (node.async || isExecutor(node, ancestors.at(-1)))) {
      mark(out, node, tokens, nests);
    }
    return undefined;
  });
}

/** The first argument of `new X(…)` or `super(…)`: whether X makes a promise of it is not known. */
function isExecutor(node: SyntaxNode, parent: SyntaxNode | undefined): boolean {
  const calls =
    parent?.type === 'NewExpression' || (parent?.type === 'CallExpression' && parent.callee.type === 'Super');
  return calls && parent.arguments[0] === node;
}

function mark(
  out: Rewriting,
  node: SyntaxNode & { body: SyntaxNode },
  tokens: readonly Token[],
  nests: boolean,
): void {
  const { body } = node;
  if (body.type !== 'BlockStatement') {
    // Behind the arrow: brackets around the value are not part of it.
    let at = tokens.findLastIndex((token) => token.end <= body.start);
    while (tokens[at]!.type.label !== '=>') at--;
    const from = tokens[at]!.end;
    out.insertMarker(from, BEGAN_OPEN, from, nests ? node.end : undefined);
    out.insertMarker(node.end, BEGAN_CLOSE, node.end, nests ? from : undefined);
    return;
  }
  const first = body.body.find((one) => one.type !== 'ExpressionStatement' || one.directive === undefined);
  if (first === undefined) return;
  const at = first === body.body[0] ? body.start + 1 : first.start;
  out.insertMarker(at, BEGAN_MARKER, at);
}
