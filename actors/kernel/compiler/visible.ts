/** Names of a cell's own that can be seen from a place in it. Pure. */
import type { CellPlace } from './probing.ts';
import { declarationsOf } from './scope.ts';
import type { ParsedCell } from './source.ts';
import { boundNames, isFunction, type SyntaxNode, scopeNames, walk } from './tree.ts';

/** The nearest ones of a place. */
const NAMES_MAX = 40;

export interface VisibleName {
  name: string;
  /** The same for the same variable, but for several calls of one function. */
  variable: string;
  /** A call begins here: what the variable was in another one tells nothing. */
  isFresh: boolean;
}

/**
 * What can be seen where: locals of the functions and blocks around it, nearest first, then top-level names that the
 * cell declares or assigns to. Functions and classes do not change and are left out.
 */
export function visibleIn({ program }: ParsedCell): (place: CellPlace) => VisibleName[] {
  const scopes = new Map<SyntaxNode, Set<string>>();
  const namesOf = (node: SyntaxNode): Set<string> => {
    let names = scopes.get(node);
    if (!names) {
      names = node.type === 'Program' ? new Set() : scopeNames(node);
      scopes.set(node, names);
    }
    return names;
  };
  const callable = new Set(['arguments']);
  const top = new Set(declarationsOf(program).kinds.keys());
  walk(program, (node, ancestors) => {
    const isNamed = isFunction(node) || node.type === 'ClassDeclaration' || node.type === 'ClassExpression';
    if (isNamed && node.id) callable.add(node.id.name);
    for (const name of assignedBy(node)) {
      if (!ancestors.some((outer) => namesOf(outer).has(name))) top.add(name);
    }
    return undefined;
  });
  return ({ node, ancestors }) => {
    const begun = callBegunAt(node, ancestors);
    const seen = new Map<string, VisibleName>();
    for (const scope of ancestors.toReversed()) {
      for (const name of namesOf(scope)) {
        if (callable.has(name) || seen.has(name)) continue;
        const isFresh = begun !== undefined && (scope === begun || scope === begun.body);
        seen.set(name, { name, variable: `${name} ${scope.type} ${scope.start}`, isFresh });
      }
    }
    for (const name of top) {
      if (!callable.has(name) && !seen.has(name)) seen.set(name, { name, variable: name, isFresh: false });
    }
    return [...seen.values()].slice(0, NAMES_MAX);
  };
}

/** The function whose first statement, or value, stands at a place. */
function callBegunAt(node: SyntaxNode, ancestors: readonly SyntaxNode[]) {
  const holder = ancestors.findLast(isFunction);
  if (!holder || holder.body === node) return holder;
  const { body } = holder;
  if (body.type !== 'BlockStatement') return undefined;
  const first = body.body.find((one) => one.type !== 'ExpressionStatement' || one.directive === undefined);
  return first === node ? holder : undefined;
}

/** Names that a node gives a value to, but for declarations. */
function assignedBy(node: SyntaxNode): string[] {
  switch (node.type) {
    case 'AssignmentExpression':
      return boundNames(node.left);
    case 'UpdateExpression':
      return boundNames(node.argument);
    case 'ForInStatement':
    case 'ForOfStatement':
      return node.left.type === 'VariableDeclaration' ? [] : boundNames(node.left);
    default:
      return [];
  }
}
