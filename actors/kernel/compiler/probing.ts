/**
 * Where a cell can be looked at while it runs, and what is put there to look.
 *
 * A look is a statement without a completion value, in front of a statement of the cell. It calls a function of the
 * host with a function for each expression, so that one that throws does so in the host's hands. What is no statement
 * of a list gets braces or brackets of its own. Nothing is put in that would begin a line. Pure.
 */
import { parseExpressionAt } from 'acorn';
import { RepriseError } from '../../../bus/errors.ts';
import { Lines } from './lines.ts';
import { tokenFrom } from './located.ts';
import { statementsOf } from './markers.ts';
import type { ParsedCell } from './source.ts';
import { CELL_SYNTAX } from './syntax.ts';
import { isFunction, type SyntaxNode, walk } from './tree.ts';

/** A text that is put into the JavaScript that a cell is read as. */
export interface Insertion {
  at: number;
  text: string;
  /** One of a pair, around what stands between the two. */
  other?: number;
  /** Behind all else that is put there. */
  last?: true;
}

/** What looks at a cell that is compiled with it. */
export interface Looks {
  insertions: Insertion[];
  /** Name of the function that is called with the number of a place and functions for its expressions. */
  call: string;
  /**
   * Name of an array whose first element is 1 from just before that call until it is served. While the second one is 0
   * calls are made, else (unless `exact`) it counts those that are not.
   */
  flag: string;
  /** Number of the place at the end of the cell: that look is kept beside all others. */
  end: number;
}

/** A place in a cell that can be looked at each time it runs. */
export interface CellPlace {
  /** 1-based. */
  line: number;
  /** What runs there. */
  node: SyntaxNode;
  /** Nearest last. */
  ancestors: readonly SyntaxNode[];
  /** How a look is put there: in front of it, with braces around both, or as an arrow function's value. */
  form: 'plain' | 'braces' | 'value';
}

/** All places of a cell, in the order in which they stand in it. */
export function placesOf({ text, program }: ParsedCell): CellPlace[] {
  const lines = new Lines(text);
  const places: CellPlace[] = [];
  walk(program, (node, ancestors) => {
    const add = (inner: SyntaxNode, form: CellPlace['form']) =>
      places.push({ line: lines.at(inner.start)[0], node: inner, ancestors: [...ancestors, node], form });
    for (const statement of statementsOf(node) ?? []) if (!isDirective(statement)) add(statement, 'plain');
    for (const body of bodiesOf(node)) if (isBare(body)) add(body, 'braces');
    if (node.type === 'ArrowFunctionExpression' && node.body.type !== 'BlockStatement') {
      add(node.body, 'value');
    }
    return undefined;
  });
  return places.sort((one, other) => one.node.start - other.node.start);
}

/**
 * What is to be put into a cell to look at it.
 * @param places each with the expressions that are looked at there
 * @param atEnd expressions that are looked at when all of the cell has run; their place has the next number
 * @param exact what runs is counted as without the looks, to the step; else, calls can be left out, which is faster
 */
export function looksAt(
  { text, program, tokens }: ParsedCell,
  places: readonly { place: CellPlace; expressions: readonly string[] }[],
  { atEnd, exact = false }: { atEnd?: readonly string[]; exact?: boolean } = {},
): Looks {
  let mark = '';
  while (text.includes(`__reprise_look${mark}`)) mark += '_';
  const [call, flag, none] = [`__reprise_look${mark}`, `__reprise_looks${mark}`, `__reprise_looked${mark}`];
  // Beside the call itself the engine counts no step for any of it.
  const statement = (look: string) => `{let ${none}=(${look},0)}`;
  const insertions: Insertion[] = [];
  const called = (number: number, expressions: readonly string[]) => {
    const asked = [number, `${flag}[0]|=1`, ...expressions.map((one) => `()=>(${one})`)];
    const isSure = exact || number === places.length;
    return `${isSure ? '' : `${flag}[1]&&${flag}[1]++||`}${call}(${asked.join()})`;
  };
  for (const [number, { place, expressions }] of places.entries()) {
    const { node, ancestors, form } = place;
    const look = called(number, expressions);
    if (form === 'value') {
      // Behind the arrow: brackets around the value are not part of it.
      let at = tokenFrom(tokens, node.start) - 1;
      while (tokens[at]!.type.label !== '=>') at--;
      const [from, to] = [tokens[at]!.end, ancestors.at(-1)!.end];
      insertions.push({ at: from, text: `(${look},`, other: to }, { at: to, text: ')', other: from });
      continue;
    }
    const isBraced = form === 'braces';
    insertions.push({ at: node.start, text: `${isBraced ? '{' : ''}${statement(look)}` });
    if (isBraced) insertions.push({ at: node.end, text: '}', last: true });
  }
  const end = program.body.at(-1)?.end;
  if (atEnd && end !== undefined) {
    insertions.push({ at: end, text: `;${statement(called(places.length, atEnd))}`, last: true });
  }
  return { insertions, call, flag, end: places.length };
}

const isDirective = (statement: SyntaxNode): boolean =>
  statement.type === 'ExpressionStatement' && statement.directive !== undefined;

/** A function stands there only in sloppy code, and may not stand in braces of its own. */
const isBare = (body: SyntaxNode): boolean =>
  body.type !== 'BlockStatement' && body.type !== 'FunctionDeclaration';

/** Statements that run as a part of another one and stand in no list. */
function bodiesOf(node: SyntaxNode): SyntaxNode[] {
  switch (node.type) {
    case 'IfStatement':
      return node.alternate ? [node.consequent, node.alternate] : [node.consequent];
    case 'ForStatement':
    case 'ForInStatement':
    case 'ForOfStatement':
    case 'WhileStatement':
    case 'DoWhileStatement':
    case 'WithStatement':
      return [node.body];
    default:
      return [];
  }
}

/**
 * Splits a list of expressions into their texts.
 * @param what it is, for the error
 * @throws RepriseError BAD_REQUEST when it is no list of expressions that can be put anywhere
 */
export function expressionsIn(list: string, what: string): string[] {
  const refuse = (why: string): never => {
    throw new RepriseError('BAD_REQUEST', `${what} cannot be looked at: ${why}`, {
      hint: "give JavaScript expressions on one line, with commas between them: 'x, y.length'",
    });
  };
  const options = { ...CELL_SYNTAX, allowAwaitOutsideFunction: false, allowSuperOutsideMethod: true };
  const source = `[${list}\n]`;
  try {
    const array = parseExpressionAt(source, 0, { ...options, checkPrivateFields: false });
    if (array.type !== 'ArrayExpression' || array.end !== source.length) return refuse('it is no list');
    const texts = array.elements.map((element) => {
      if (!element || element.type === 'SpreadElement') return refuse('a part of it is no expression');
      walk(element, (node, ancestors) => refuseWaiting(node, ancestors, refuse));
      return source.slice(element.start, element.end);
    });
    if (texts.length === 0) return refuse('it is empty');
    for (const text of texts) if (new Lines(text).count > 1) refuse('it has more than one line');
    return texts;
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
    return refuse(thrown.message.replace(/ \(\d+:\d+\)$/, ''));
  }
}

/** A name in one place is a keyword in another: in an async function, in a generator. */
function refuseWaiting(
  node: SyntaxNode,
  ancestors: readonly SyntaxNode[],
  refuse: (why: string) => never,
): undefined {
  if (node.type !== 'Identifier' || (node.name !== 'await' && node.name !== 'yield')) return;
  if (!ancestors.some(isFunction)) refuse(`a look does not ${node.name}`);
}
