/**
 * Expressions on lines of their own, inside statements that span lines: elements of literals, arguments, initialisers.
 * The engine notes no position there (see `located.ts`), so an error would be said to be where the last note was,
 * lines above; and once it has noted one, a call around it would be said to stand there. Markers put both right, once
 * a line. Pure.
 */
import type { Program, Token } from 'acorn';
import { behaves } from '../behaviours.ts';
import { CALL_MARKER, LAST_MARKER, OPERAND_END, OPERAND_MARKER, SLOT_MARKER } from '../marker.ts';
import type { Lines } from './lines.ts';
import { placeOf } from './located.ts';
import { isRisky, placeOfRisk, statementsOf } from './markers.ts';
import { isFunction, type SyntaxNode, walk } from './tree.ts';

/** Text to insert; `to` is the offset that a reader is told for it, undefined when the engine notes nothing. */
export interface Inserted {
  at: number;
  text: string;
  to?: number;
  /** Where its partner stands: pairs nest. */
  other?: number;
}

/** What one function's code notes, in source order. */
interface Note {
  at: number;
  line: number;
  /** An expression that a marker may stand before. */
  slot?: SyntaxNode;
}

interface Call {
  last: SyntaxNode;
  first: SyntaxNode;
  to: number;
  notes: Note[];
}

/**
 * The markers inside expressions, in the order in which those of one offset stand.
 * @param version of the behaviours that the session was born with
 */
export function slotsIn(
  program: Program,
  tokens: readonly Token[],
  lines: Lines,
  version: number,
): Inserted[] {
  const everywhere = behaves(version, 'linesEverywhere');
  const sparesPatterns = behaves(version, 'patternsUnmarked');
  const functions = new Map<SyntaxNode, Note[]>();
  const calls: Call[] = [];
  const operands = new Set<SyntaxNode>();
  const note = (owner: SyntaxNode, at: number, slot?: SyntaxNode): Note[] => {
    let notes = functions.get(owner);
    if (notes === undefined) {
      // A function of one line has noted that line; a field's has noted nothing.
      notes =
        owner.type === 'PropertyDefinition' ? [] : [{ at: owner.start, line: lines.at(owner.start)[0] }];
      functions.set(owner, notes);
    }
    notes.push({ at, line: lines.at(at)[0], slot });
    return notes;
  };
  walk(program, (node, ancestors) => {
    const owner = ownerOf(node, ancestors, everywhere) ?? program;
    for (const statement of statementsOf(node) ?? []) {
      note(holdsCode(node) ? node : owner, statement.start);
    }
    const place = placeOf(node, tokens);
    if (place !== undefined) {
      const notes = note(owner, place.at);
      if (node.type === 'CallExpression' || node.type === 'NewExpression') {
        const last = node.arguments.at(-1);
        if (last) calls.push({ first: node.arguments[0]!, last, to: place.to, notes });
      }
    }
    const inner = node.type === 'ArrowFunctionExpression' ? node : owner;
    const isTarget = sparesPatterns && ancestors.at(-1)?.type === 'ObjectPattern';
    for (const slot of slotsOf(node, isTarget)) if (isMarkable(slot)) note(inner, slot.start, slot);
    for (const [slot, holder] of everywhere ? statementSlotsOf(node, owner) : [])
      if (isMarkable(slot)) note(holder, slot.start, slot);
    if (node.type === 'LogicalExpression' && isMarkable(node.right)) {
      operands.add(node.right);
      note(owner, node.right.start, node.right);
    }
    return undefined;
  });
  const inserted: Inserted[] = [];
  for (const notes of functions.values()) {
    notes.sort((one, other) => one.at - other.at);
    const noted = new Set<number>();
    for (const { slot, line } of notes) {
      if (slot && !noted.has(line)) inserted.push(...markersOf(slot, operands.has(slot)));
      noted.add(line);
    }
  }
  for (const { first, last, to, notes } of calls) {
    const [line] = lines.at(to);
    const elsewhere = isNotedElsewhere(notes, first.start, last.end, line);
    if (!elsewhere) continue;
    const value = last.type === 'SpreadElement' ? last.argument : last;
    inserted.push({ at: value.start, text: LAST_MARKER }, { at: value.end, text: CALL_MARKER, to });
  }
  return inserted;
}

/** Whether anything in [from, to) is noted on another line; `notes` are in order. */
function isNotedElsewhere(notes: readonly Note[], from: number, to: number, line: number): boolean {
  let low = 0;
  let high = notes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (notes[middle]!.at < from) low = middle + 1;
    else high = middle;
  }
  for (let at = low; at < notes.length && notes[at]!.at < to; at++) {
    if (notes[at]!.line !== line) return true;
  }
  return false;
}

function markersOf(slot: SyntaxNode, operand: boolean): Inserted[] {
  const to = placeOfRisk(slot);
  if (!operand) return [{ at: slot.start, text: SLOT_MARKER, to }];
  return [
    { at: slot.start, text: OPERAND_MARKER, to },
    { at: slot.end, text: OPERAND_END },
  ];
}

const holdsCode = (node: SyntaxNode): boolean => isFunction(node) || node.type === 'StaticBlock';

/** What notes positions for a node: the function around it, or the field whose value it is part of. */
function ownerOf(
  node: SyntaxNode,
  ancestors: readonly SyntaxNode[],
  fields: boolean,
): SyntaxNode | undefined {
  for (let at = ancestors.length - 1; at >= 0; at--) {
    const outer = ancestors[at]!;
    if (holdsCode(outer)) return outer;
    const inner = ancestors[at + 1] ?? node;
    if (fields && outer.type === 'PropertyDefinition' && outer.value === inner) return outer;
  }
  return undefined;
}

type Held = [slot: SyntaxNode | null | undefined, holder: SyntaxNode];

/** The expressions that statements and classes hold, with what notes their positions. */
export function statementSlotsOf(node: SyntaxNode, owner: SyntaxNode): Held[] {
  switch (node.type) {
    case 'PropertyDefinition':
      return [
        [node.computed ? node.key : undefined, owner],
        [node.value, node],
      ];
    case 'MethodDefinition':
      return [[node.computed ? node.key : undefined, owner]];
    case 'MemberExpression':
      return [[node.computed ? node.property : undefined, owner]];
    case 'SwitchStatement':
      return [[node.discriminant, owner]];
    case 'ExpressionStatement':
      return [[node.expression, owner]];
    case 'ReturnStatement':
      return [[node.argument, owner]];
    case 'SwitchCase':
    case 'IfStatement':
    case 'WhileStatement':
    case 'DoWhileStatement':
      return [[node.test, owner]];
    case 'ForStatement':
      return [
        [node.test, owner],
        [node.update, owner],
      ];
    case 'ForInStatement':
    case 'ForOfStatement':
      return [[node.right, owner]];
    default:
      return [];
  }
}

/**
 * The expressions of a node that stand where an assignment could.
 * @param isTarget the node is part of a pattern: its value is bound or written to, and nothing may stand before it
 */
export function slotsOf(node: SyntaxNode, isTarget: boolean): readonly (SyntaxNode | null | undefined)[] {
  switch (node.type) {
    case 'ArrayExpression':
      return node.elements;
    case 'CallExpression':
    case 'NewExpression':
      return node.arguments;
    case 'Property':
      if (node.kind !== 'init' || node.shorthand) return [];
      return [node.computed ? node.key : undefined, node.method || isTarget ? undefined : node.value];
    case 'SpreadElement':
      return [node.argument];
    case 'VariableDeclarator':
      return [node.init];
    case 'AssignmentExpression':
      return [node.right];
    case 'AssignmentPattern':
      return [node.right];
    case 'ConditionalExpression':
      return [node.consequent, node.alternate];
    case 'SequenceExpression':
    case 'TemplateLiteral':
      return node.expressions;
    case 'ArrowFunctionExpression':
      return [node.body];
    default:
      return [];
  }
}

/**
 * Patterns are no expressions, what takes its name from where it stands must go on standing there, and of literals
 * the parts are marked.
 */
export function isMarkable(node: SyntaxNode | null | undefined): node is SyntaxNode {
  switch (node?.type) {
    case undefined:
    case 'ArrayExpression':
    case 'ArrayPattern':
    case 'AssignmentPattern':
    case 'BlockStatement':
    case 'ClassExpression':
    case 'ObjectExpression':
    case 'ObjectPattern':
    case 'SequenceExpression':
    case 'SpreadElement':
    case 'TemplateLiteral':
      return false;
    default:
      return isRisky(node);
  }
}
