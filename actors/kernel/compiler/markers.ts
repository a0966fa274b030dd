/**
 * Statements that the engine would not note a position for (see `located.ts`): a declaration, `return`, the head of
 * `if` or a loop. An error in one of them would be said to be on whatever line came before, so those that stand on
 * a line of their own get a marker in front, for the engine to note. Pure.
 */
import type { Program } from 'acorn';
import { MARKER } from '../marker.ts';
import type { Lines } from './lines.ts';
import { isFunction, type SyntaxNode, walk } from './tree.ts';

/** Outside of functions and classes it matters what a marker completes with: this one without a value. */
export const TOP_MARKER = 'var{}=0+0;';

export interface Marked {
  statement: SyntaxNode;
  marker: string;
  /** Offset that a reader is told: inside functions its start, which costs nothing to remember. */
  to: number;
}

/**
 * The statements that need a marker.
 * @param ownLine what is told is on the line where the statement begins; a class is told where it begins
 */
export function markedIn(program: Program, lines: Lines, ownLine: boolean): Marked[] {
  const placeIn = (statement: SyntaxNode, risk: SyntaxNode): number => {
    const to = placeOfRisk(risk);
    const elsewhere = isMember(risk) || lines.at(to)[0] !== lines.at(statement.start)[0];
    return ownLine && elsewhere ? statement.start : to;
  };
  const marked: Marked[] = [];
  walk(program, (node, ancestors) => {
    const statements = statementsOf(node);
    if (statements === undefined) return undefined;
    const inside = ancestors.some((outer) => isFunction(outer) || outer.type === 'ClassBody');
    // The line that the engine would name; 0: one of several.
    let noted = node.type === 'Program' ? 0 : lines.at(node.start)[0];
    for (const statement of statements) {
      const [line] = lines.at(statement.start);
      const risk = line === noted ? undefined : riskIn(statement);
      if (risk)
        marked.push(
          inside
            ? { statement, marker: MARKER, to: statement.start }
            : {
                statement,
                marker: TOP_MARKER,
                to: placeIn(statement, risk),
              },
        );
      if (risk || statement.type === 'ExpressionStatement') noted = line;
      if (lines.at(statement.end)[0] !== line) noted = 0;
    }
    return undefined;
  });
  return marked;
}

/** Statements that stand directly in a node. */
export function statementsOf(node: SyntaxNode): SyntaxNode[] | undefined {
  switch (node.type) {
    case 'Program':
    case 'BlockStatement':
    case 'StaticBlock':
      return node.body;
    case 'SwitchCase':
      return node.consequent;
    default:
      return undefined;
  }
}

/** The expression in which a statement may throw before the engine notes anything of it. */
function riskIn(statement: SyntaxNode): SyntaxNode | undefined {
  switch (statement.type) {
    case 'VariableDeclaration': {
      const one = statement.declarations.find(
        ({ id, init }) => init && (id.type !== 'Identifier' || isRisky(init)),
      );
      return one?.init ?? undefined;
    }
    case 'ReturnStatement':
      return ifRisky(statement.argument);
    case 'IfStatement':
    case 'WhileStatement':
      return ifRisky(statement.test);
    case 'SwitchStatement':
      return ifRisky(statement.discriminant);
    case 'ForStatement': {
      const { init, test } = statement;
      return (init?.type === 'VariableDeclaration' ? riskIn(init) : ifRisky(init)) ?? ifRisky(test);
    }
    case 'ForInStatement':
    case 'ForOfStatement':
      return statement.right;
    case 'LabeledStatement':
      return riskIn(statement.body);
    case 'ClassDeclaration':
      return ifRisky(statement.superClass) ?? statement.body.body.find(runsAtOnce);
    default:
      return undefined;
  }
}

const isMember = (node: SyntaxNode): boolean =>
  node.type === 'StaticBlock' || node.type === 'PropertyDefinition';

/** A member that is evaluated with its class. */
const runsAtOnce = (member: SyntaxNode): boolean =>
  member.type === 'StaticBlock' ||
  (member.type === 'PropertyDefinition' && member.static && isRisky(member.value));

const ifRisky = (node: SyntaxNode | null | undefined): SyntaxNode | undefined =>
  node && isRisky(node) ? node : undefined;

/** V8 names the property that could not be read; of a plain variable's it is as likely the variable. */
export function placeOfRisk(node: SyntaxNode): number {
  if (node.type === 'AwaitExpression') return placeOfRisk(node.argument);
  if (node.type !== 'MemberExpression' || node.computed) return node.start;
  const { object, property } = node;
  return object.type === 'Identifier' && object.name !== 'undefined' ? node.start : property.start;
}

/** Whether an expression may throw. */
export function isRisky(node: SyntaxNode | null | undefined): boolean {
  if (!node) return false;
  switch (node.type) {
    case 'Literal':
    case 'ThisExpression':
    case 'FunctionExpression':
    case 'ArrowFunctionExpression':
      return false;
    case 'UnaryExpression':
      return isRisky(node.argument);
    case 'TemplateLiteral':
      return node.expressions.length > 0;
    case 'ArrayExpression':
      return node.elements.some(isRisky);
    case 'ObjectExpression':
      return node.properties.some((one) => one.type !== 'Property' || one.computed || isRisky(one.value));
    case 'NewExpression':
      return node.callee.type !== 'Identifier' || node.arguments.some(isRisky);
    default:
      return true;
  }
}
