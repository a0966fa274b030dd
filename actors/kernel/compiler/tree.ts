/** Walking acorn's syntax tree, and the few questions the compiler asks of it. Pure. */
import type { AnyNode, Function as FunctionNode, Node, Pattern, Program, VariableDeclaration } from 'acorn';

export type SyntaxNode = AnyNode;

const isNode = (value: unknown): value is SyntaxNode =>
  typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';

/** Direct children in source order of their keys. */
export function* childrenOf(node: SyntaxNode): Generator<SyntaxNode> {
  for (const value of Object.values(node)) {
    if (Array.isArray(value)) {
      for (const item of value) if (isNode(item)) yield item;
    } else if (isNode(value)) yield value;
  }
}

/** Calls `visit` for every node below `node` with its ancestors (nearest last); returning false skips below. */
export function walk(
  node: SyntaxNode,
  visit: (node: SyntaxNode, ancestors: readonly SyntaxNode[]) => boolean | undefined,
  ancestors: SyntaxNode[] = [],
): void {
  if (visit(node, ancestors) === false) return;
  ancestors.push(node);
  for (const child of childrenOf(node)) walk(child, visit, ancestors);
  ancestors.pop();
}

export function isFunction(node: SyntaxNode): node is FunctionNode & SyntaxNode {
  return (
    node.type === 'FunctionDeclaration' ||
    node.type === 'FunctionExpression' ||
    node.type === 'ArrowFunctionExpression'
  );
}

/** True for nodes that `var` does not escape from. */
export const holdsVars = (node: SyntaxNode): boolean => isFunction(node) || node.type === 'StaticBlock';

/** Names a binding pattern binds. */
export function boundNames(pattern: Pattern | SyntaxNode): string[] {
  switch (pattern.type) {
    case 'Identifier':
      return [pattern.name];
    case 'ObjectPattern':
      return pattern.properties.flatMap((property) =>
        boundNames(property.type === 'RestElement' ? property.argument : property.value),
      );
    case 'ArrayPattern':
      return pattern.elements.flatMap((element) => (element ? boundNames(element) : []));
    case 'AssignmentPattern':
      return boundNames(pattern.left);
    case 'RestElement':
      return boundNames(pattern.argument);
    default:
      return [];
  }
}

/** Names that a declaration declares. */
export const declaredNames = (declaration: VariableDeclaration): string[] =>
  declaration.declarations.flatMap((declarator) => boundNames(declarator.id));

/** let, const, class and function names declared directly in a list of statements. */
function lexicalNames(statements: readonly SyntaxNode[]): string[] {
  return statements.flatMap((statement) => {
    if (statement.type === 'VariableDeclaration') {
      return statement.kind === 'var' ? [] : declaredNames(statement);
    }
    if (statement.type === 'ClassDeclaration' || statement.type === 'FunctionDeclaration') {
      return statement.id ? [statement.id.name] : [];
    }
    return [];
  });
}

/** var names (and functions of nested blocks, which leak in sloppy code) that belong to `holder`. */
function varNames(holder: SyntaxNode): string[] {
  const names: string[] = [];
  walk(holder, (node) => {
    if (node !== holder && node.type === 'FunctionDeclaration' && node.id) names.push(node.id.name);
    if (node !== holder && holdsVars(node)) return false;
    if (node.type === 'VariableDeclaration' && node.kind === 'var') names.push(...declaredNames(node));
    return undefined;
  });
  return names;
}

/** Names that `node` itself introduces for what is below it; empty for nodes that are no scope. */
export function scopeNames(node: SyntaxNode): Set<string> {
  if (isFunction(node)) {
    const names = new Set([...node.params.flatMap(boundNames), ...varNames(node)]);
    if (node.type !== 'ArrowFunctionExpression') names.add('arguments');
    if (node.type === 'FunctionExpression' && node.id) names.add(node.id.name);
    return names;
  }
  switch (node.type) {
    case 'StaticBlock':
      return new Set([...varNames(node), ...lexicalNames(node.body)]);
    case 'BlockStatement':
      return new Set(lexicalNames(node.body));
    case 'SwitchStatement':
      return new Set(lexicalNames(node.cases.flatMap((one) => one.consequent)));
    case 'ForStatement':
      return new Set(node.init ? lexicalNames([node.init]) : []);
    case 'ForInStatement':
    case 'ForOfStatement':
      return new Set(lexicalNames([node.left]));
    case 'CatchClause':
      return new Set(node.param ? boundNames(node.param) : []);
    case 'ClassDeclaration':
    case 'ClassExpression':
      return new Set(node.id ? [node.id.name] : []);
    default:
      return new Set();
  }
}

/** Length of the directive prologue: the end of its last directive, 0 without one; and whether it is strict. */
export function directives(program: Program): { end: number; strict: boolean } {
  let end = 0;
  let strict = false;
  for (const statement of program.body) {
    if (statement.type !== 'ExpressionStatement' || statement.directive === undefined) break;
    end = statement.end;
    if (statement.directive === 'use strict') strict = true;
  }
  return { end, strict };
}
