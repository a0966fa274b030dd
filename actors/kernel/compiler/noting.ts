/**
 * The line that the engine would tell at one point of its code, and the markers that make it another one. The engine
 * tells the place that its code noted last before whatever failed, in the order of its code. Pure.
 */
import type { Program, Token } from 'acorn';
import {
  HEAD_MARKER,
  OPERAND_END,
  OPERAND_MARKER,
  OPERATION,
  SLOT_MARKER,
  SPACER,
  WORKED_ON,
} from '../marker.ts';
import type { Lines } from './lines.ts';
import { type Located, noted, placeOf, tokenFrom } from './located.ts';
import { placeOfRisk } from './markers.ts';
import { type Inserted, isMarkable } from './slots.ts';
import { type SyntaxNode, walk } from './tree.ts';

export type Child = SyntaxNode | null | undefined;

/** Links of a chain that are put in brackets: these nest, and the engine's parser has a stack. */
const LONGEST_CHAIN = 50;

export class Notes {
  readonly inserted: Inserted[] = [];
  readonly #tokens: readonly Token[];
  readonly #lines: Lines;
  /** What is told for what the engine notes at a token. */
  readonly #told = new Map<number, number>();
  /** What is told for places that the engine notes. */
  readonly #places = new Map<number, number>();
  /** Where classes begin, by where the lines begin on which they end. */
  readonly #classes = new Map<number, number>();
  /** Where statements begin that are expressions, and where they end. */
  readonly #heads = new Map<number, number>();
  /** Brackets by where they open. */
  readonly #links = new Map<number, number>();
  /** The line that would be told now; 0: none has been noted. */
  line = 0;

  constructor(program: Program, tokens: readonly Token[], lines: Lines, located: readonly Located[]) {
    this.#tokens = tokens;
    this.#lines = lines;
    for (const { at, to, begins } of located) {
      const [line, column] = lines.at(at);
      (begins ? this.#classes : this.#places).set(at, to);
      if (!begins && column === 1 && line !== this.lineOf(to)) this.insert(at, SPACER, to);
    }
    walk(program, (node) => {
      const place = placeOf(node, tokens, lines);
      if (place !== undefined) this.#told.set(place.token, place.to);
      return undefined;
    });
  }

  /** A statement begins that is an expression: what stands before that must not make a call of the line above. */
  begins(statement: SyntaxNode): void {
    this.#heads.set(statement.start, statement.end);
    this.noted(statement);
  }

  /** The line that is told in a function that has noted nothing; 0 when something else is told for the same place. */
  firstLineOf(node: SyntaxNode): number {
    const [line, column] = this.#lines.at(node.start);
    const { at } = noted(this.#tokens, tokenFrom(this.#tokens, node.start))!;
    const others = [this.#classes.get(node.start - column + 1), this.#places.get(at)];
    return others.every((to) => to === undefined || this.lineOf(to) === line) ? line : 0;
  }

  /** The engine notes something of a node. */
  noted(node: SyntaxNode): void {
    const place = placeOf(node, this.#tokens, this.#lines);
    if (place !== undefined) this.line = this.lineOf(place.to);
  }

  /** A marker before an expression that stands where an assignment could. */
  slot(node: Child): void {
    if (!isMarkable(node) || this.lineOf(node.start) === this.line) return;
    const to = placeOfRisk(node);
    this.insert(node.start, SLOT_MARKER, to, node.end);
    this.line = this.lineOf(to);
  }

  /** Markers around any other. */
  operand(node: SyntaxNode, to: number): void {
    if (this.lineOf(node.start) === this.line) return;
    this.insert(node.start, OPERAND_MARKER, to, node.end);
    this.insert(node.end, OPERAND_END, node.end, node.start);
    this.line = this.lineOf(to);
  }

  /** What is done once `node` has been evaluated fails at `to`. */
  works(node: Child, to: number): void {
    if (!node || this.lineOf(to) === this.line) return;
    const { start, end } = worked(node);
    const links = this.#links.get(start) ?? 0;
    if (links === LONGEST_CHAIN) return;
    this.#links.set(start, links + 1);
    this.line = this.lineOf(to);
    const head = this.#heads.get(start);
    if (head !== undefined) this.insert(start, HEAD_MARKER, this.#told.get(start)!, head);
    this.#heads.delete(start);
    this.insert(start, WORKED_ON, this.#told.get(start) ?? start, end);
    this.insert(end, OPERATION, to, start);
  }

  insert(at: number, text: string, to: number, other?: number): void {
    this.inserted.push({ at, text, to, other });
  }

  lineOf(offset: number): number {
    return this.#lines.at(offset)[0];
  }

  /** Where V8 says that an expression failed. */
  placeOf(node: SyntaxNode): number {
    switch (node.type) {
      case 'BinaryExpression':
        return this.operatorOf(node.right);
      case 'MemberExpression': {
        if (!node.computed) return node.property.start;
        let at = tokenFrom(this.#tokens, node.object.end);
        while (this.#tokens[at]!.type.label !== '[') at++;
        return this.#tokens[at]!.start;
      }
      case 'CallExpression':
        return placeOf(node, this.#tokens)?.to ?? node.start;
      case 'TaggedTemplateExpression':
        return node.quasi.start;
      case 'ChainExpression':
        return this.placeOf(node.expression);
      default:
        return node.start;
    }
  }

  /** The sign before an operand, whatever brackets it stands in. */
  operatorOf(right: SyntaxNode): number {
    let at = tokenFrom(this.#tokens, right.start) - 1;
    while (this.#tokens[at]!.type.label === '(') at--;
    return this.#tokens[at]!.start;
  }
}

/** What can be put in brackets for a node. */
function worked(node: SyntaxNode): SyntaxNode {
  if (node.type === 'SpreadElement') return worked(node.argument);
  return node.type === 'SequenceExpression' ? worked(node.expressions.at(-1)!) : node;
}
