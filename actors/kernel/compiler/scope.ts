/** What a cell declares at its top level, and where it writes names that it must not. Pure. */
import type { Identifier, Program, VariableDeclaration } from 'acorn';
import {
  declaredNames,
  directives,
  holdsVars,
  isFunction,
  type SyntaxNode,
  scopeNames,
  walk,
} from './tree.ts';

export type Kind = 'let' | 'const' | 'class' | 'function' | 'var';

/** A `var` that belongs to the top level, wherever it stands. */
export interface VarPlace {
  node: VariableDeclaration;
  /** statement; the init of a `for(;;)`; the head of a `for-in/of`. */
  place: 'statement' | 'init' | 'head';
}

export interface Declarations {
  /** Latest kind of each name the cell declares. */
  kinds: Map<string, Kind>;
  vars: VarPlace[];
  /** Functions in blocks of sloppy code, which leak to the top level, with the statement they stand in. */
  leaking: { name: string; parent: SyntaxNode }[];
}

/** Collects the declarations of a cell's top level. */
export function declarationsOf(program: Program): Declarations {
  const kinds = new Map<string, Kind>();
  const vars: VarPlace[] = [];
  const leaking: Declarations['leaking'] = [];
  const sloppy = !directives(program).strict;
  walk(program, (node, ancestors) => {
    const parent = ancestors.at(-1);
    if (node.type === 'FunctionDeclaration' && parent && node.id) {
      if (parent.type === 'Program') kinds.set(node.id.name, 'function');
      else if (sloppy && !node.async && !node.generator) {
        const { name } = node.id;
        const blocked = ancestors
          .slice(0, parent.type === 'SwitchCase' ? -2 : -1)
          .some((outer) => outer.type !== 'Program' && scopeNames(outer).has(name));
        if (!blocked) leaking.push({ name, parent: statementOf(parent, ancestors) });
      }
    }
    if (holdsVars(node) || node.type === 'ClassBody') return false;
    if (node.type === 'VariableDeclaration') {
      if (node.kind === 'var') vars.push({ node, place: placeOf(node, parent) });
      else if (parent?.type !== 'Program') return undefined;
      for (const name of declaredNames(node)) kinds.set(name, node.kind as Kind);
    }
    if (node.type === 'ClassDeclaration' && parent?.type === 'Program' && node.id)
      kinds.set(node.id.name, 'class');
    return undefined;
  });
  return { kinds, vars, leaking };
}

function placeOf(node: VariableDeclaration, parent: SyntaxNode | undefined): VarPlace['place'] {
  if (parent?.type === 'ForStatement' && parent.init === node) return 'init';
  const isHead = parent?.type === 'ForInStatement' || parent?.type === 'ForOfStatement';
  return isHead && parent.left === node ? 'head' : 'statement';
}

/** A switch case is no statement: its switch is. */
const statementOf = (parent: SyntaxNode, ancestors: readonly SyntaxNode[]): SyntaxNode =>
  parent.type === 'SwitchCase' ? (ancestors.at(-2) ?? parent) : parent;

export interface Write {
  target: Identifier;
  /** The target is the shorthand of an object pattern, `({x} = …)`. */
  shorthand: boolean;
}

/** Writes to top-level names of `names`, from anywhere in the cell, but for their own declarations. */
export function writesTo(program: Program, names: ReadonlySet<string>): Write[] {
  const writes: Write[] = [];
  if (names.size === 0) return writes;
  const scopes = new Map<SyntaxNode, Set<string>>();
  const namesOf = (node: SyntaxNode): Set<string> => {
    let known = scopes.get(node);
    if (known === undefined) {
      known = scopeNames(node);
      scopes.set(node, known);
    }
    return known;
  };
  walk(program, (node, ancestors) => {
    for (const write of targetsOf(node)) {
      const { name } = write.target;
      if (!names.has(name)) continue;
      const above = [...ancestors, node];
      // Inside `with` the name may be a property: only the engine can tell.
      const local = above.some((outer) => outer.type === 'WithStatement' || namesOf(outer).has(name));
      if (!local) writes.push(write);
    }
    return undefined;
  });
  return writes;
}

function targetsOf(node: SyntaxNode): Write[] {
  switch (node.type) {
    case 'AssignmentExpression':
      return patternTargets(node.left);
    case 'UpdateExpression':
      return patternTargets(node.argument);
    case 'ForInStatement':
    case 'ForOfStatement':
      return node.left.type === 'VariableDeclaration' ? [] : patternTargets(node.left);
    default:
      return [];
  }
}

function patternTargets(pattern: SyntaxNode): Write[] {
  switch (pattern.type) {
    case 'Identifier':
      return [{ target: pattern, shorthand: false }];
    case 'ParenthesizedExpression':
      return patternTargets(pattern.expression);
    case 'AssignmentPattern':
      return patternTargets(pattern.left);
    case 'RestElement':
      return patternTargets(pattern.argument);
    case 'ArrayPattern':
      return pattern.elements.flatMap((element) => (element ? patternTargets(element) : []));
    case 'ObjectPattern':
      return pattern.properties.flatMap((property) => {
        if (property.type === 'RestElement') return patternTargets(property.argument);
        const targets = patternTargets(property.value);
        return property.shorthand ? targets.map((one) => ({ ...one, shorthand: true })) : targets;
      });
    default:
      return [];
  }
}

/** True when the cell makes no function whose frames could show up after the cell has ended. */
export function leavesNoCode(program: Program): boolean {
  let found = false;
  walk(program, (node) => {
    found ||= isFunction(node) || node.type === 'ClassBody';
    return !found;
  });
  return !found;
}
