/**
 * Where the engine says that something happened, and where V8 would have said so. Pure.
 *
 * The engine notes a position at few places only: at the start of an expression statement and of what is thrown,
 * behind `new`, behind the `(` of a call, at the right side of a binary operator. Everything that runs until the
 * next of them is said to have happened there. The column it notes is that of the last blank or name before.
 */
import type { Program, Token } from 'acorn';
import type { Lines } from './lines.ts';
import { placeOfRisk } from './markers.ts';
import { isFunction, type SyntaxNode, walk } from './tree.ts';

export interface Located {
  /** Offset that the engine notes. */
  at: number;
  /** Offset that a reader is told. */
  to: number;
  /** It is where the line begins, whatever is put before `at`. */
  begins?: boolean;
  /** Where the token stands that it is noted for, at or behind `at`. */
  token?: number;
}

type NotedToken = Located & { token: number };

/**
 * All places of a program that the engine notes, in source order.
 * @param lines given when what is told of a statement, and of a class, is on the line where it begins
 */
export function locatedIn(
  program: Program,
  tokens: readonly Token[],
  text: string,
  lines: Lines | undefined,
): Located[] {
  const places = new Map<number, Located>();
  const classes: Located[] = [];
  const made = new Map<number, number>();
  walk(program, (node, ancestors) => {
    const place = placeOf(node, tokens, lines);
    // Of a call and the call that is its first argument the inner one counts.
    if (place !== undefined) places.set(place.at, place);
    // The constructor that a class without one has is noted where the line begins on which the class ends.
    if (node.type === 'ClassBody' && lines && !node.body.some(isConstructor)) {
      const end = node.end - 1;
      const at = end - lines.at(end)[1] + 1;
      if (at > node.start) classes.push({ at, to: ancestors.at(-1)!.start, begins: true });
    }
    if (node.type === 'ThrowStatement' && node.argument.type === 'NewExpression') {
      const last = lastPlaceIn(node.argument, tokens);
      // Over several lines a marker says it (see `slots.ts`).
      if (!/[\n\r\u2028\u2029]/.test(text.slice(node.argument.start, last))) {
        made.set(last, node.argument.start);
      }
    }
    return undefined;
  });
  for (const [at, to] of made) places.set(at, { at, to });
  const free = classes.filter(({ at }) => !places.has(at));
  return [...free, ...places.values()].sort((one, other) => one.at - other.at);
}

const isConstructor = (member: SyntaxNode): boolean =>
  member.type === 'MethodDefinition' && member.kind === 'constructor';

/** What the engine notes for one node. */
export function placeOf(node: SyntaxNode, tokens: readonly Token[], lines?: Lines): NotedToken | undefined {
  switch (node.type) {
    case 'ExpressionStatement': {
      const to = placeOfRisk(node.expression);
      const elsewhere = lines !== undefined && lines.at(to)[0] !== lines.at(node.start)[0];
      return noted(tokens, tokenFrom(tokens, node.start), elsewhere ? node.start : to);
    }
    case 'ThrowStatement':
      return noted(tokens, tokenFrom(tokens, node.start) + 1);
    case 'BinaryExpression': {
      if (node.operator === '**' && lines) return undefined;
      let index = tokenFrom(tokens, node.right.start);
      while (tokens[index - 1]?.type.label === '(') index--;
      return noted(tokens, index);
    }
    case 'TaggedTemplateExpression':
      return lines && noted(tokens, tokenFrom(tokens, node.quasi.start), node.quasi.start);
    case 'NewExpression':
      return noted(tokens, tokenFrom(tokens, node.start) + 1, node.start);
    case 'CallExpression': {
      const { callee } = node;
      let index = tokenFrom(tokens, callee.end);
      while (index < tokens.length && tokens[index]!.type.label !== '(') index++;
      // V8 names the name that is called, else the bracket.
      const named = tokens[index - 1];
      return noted(
        tokens,
        index + 1,
        named && /^(name|privateId|super)$/.test(named.type.label) ? named.start : tokens[index]?.start,
      );
    }
    default:
      return undefined;
  }
}

/** An error is made behind the last place inside its arguments. */
function lastPlaceIn(thrown: SyntaxNode, tokens: readonly Token[]): number {
  let last = 0;
  walk(thrown, (node) => {
    if (isFunction(node) || node.type === 'ClassBody') return false;
    last = Math.max(last, placeOf(node, tokens)?.at ?? 0);
    return undefined;
  });
  return last;
}

/** Index of the first token that starts at or behind an offset. */
export function tokenFrom(tokens: readonly Token[], offset: number): number {
  let low = 0;
  let high = tokens.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tokens[middle]!.start < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The place whose column the engine takes for a token. */
export function noted(tokens: readonly Token[], token: number, to?: number): NotedToken | undefined {
  let index = token;
  if (tokens[index] === undefined) return undefined;
  while (index > 0 && !isName(tokens[index]!) && tokens[index - 1]!.end === tokens[index]!.start) index--;
  const at = tokens[index]!.start;
  return { at, to: to ?? at, token: tokens[token]!.start };
}

const isName = (token: Token): boolean =>
  token.type.keyword !== undefined ||
  (token.type.label === 'name' && /^[\w$]/.test(`${(token as { value?: unknown }).value}`));
