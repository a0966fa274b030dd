/** What a cell may be written in: acorn's settings, and the rules that only a cell has. */
import { type Options, type Program, parse, type Token } from 'acorn';
import { CellFailure, wording } from './failure.ts';
import { isFunction, type SyntaxNode, walk } from './tree.ts';

/** A sloppy script with top-level await. Imports parse, so that the refusal can say why. */
export const CELL_SYNTAX: Options = {
  ecmaVersion: 'latest',
  sourceType: 'script',
  allowAwaitOutsideFunction: true,
  allowImportExportEverywhere: true,
  allowHashBang: true,
};

/**
 * Parses JavaScript.
 * @param tokens filled with the tokens, when given
 * @throws CellFailure
 */
export function parseScript(code: string, tokens?: Token[]): Program {
  try {
    return parse(code, tokens === undefined ? CELL_SYNTAX : { ...CELL_SYNTAX, onToken: tokens });
  } catch (thrown) {
    const offset = (thrown as { pos?: number }).pos;
    if (!(thrown instanceof SyntaxError) || offset === undefined) {
      throw new CellFailure('The cell is nested too deeply', 0, code);
    }
    throw new CellFailure(wording(thrown.message, code, offset), offset, code);
  }
}

/** Refuses what parses but cannot run in a cell. @throws CellFailure */
export function assertRunnable(program: Program, text: string): void {
  walk(program, (node, ancestors) => {
    const refusal = refusalOf(node, ancestors.at(-1)) ?? reservedAwait(node, ancestors);
    if (refusal !== undefined) throw new CellFailure(refusal, node.start, text);
    return undefined;
  });
}

function refusalOf(node: SyntaxNode, parent: SyntaxNode | undefined): string | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
      return 'import is not available in a cell';
    case 'ExportNamedDeclaration':
    case 'ExportDefaultDeclaration':
    case 'ExportAllDeclaration':
      return 'export is not available in a cell';
    case 'MetaProperty':
      return node.meta.name === 'import' ? "Cannot use 'import.meta' in a cell" : undefined;
    case 'VariableDeclaration':
      if (node.kind === 'using' || node.kind === 'await using')
        return `'${node.kind}' declarations are not available in a cell`;
      if (node.kind !== 'var' && parent?.type === 'Program') {
        return fixedGlobalIn(node);
      }
      return undefined;
    case 'ClassDeclaration':
      return parent?.type === 'Program' ? fixedGlobalIn(node) : undefined;
    default:
      return undefined;
  }
}

/** `await` is a keyword wherever a cell may await, though acorn lets it be declared. */
function reservedAwait(node: SyntaxNode, ancestors: readonly SyntaxNode[]): string | undefined {
  if (node.type !== 'Identifier' || node.name !== 'await') return undefined;
  const parent = ancestors.at(-1);
  const isKey =
    (parent?.type === 'MemberExpression' && parent.property === node && !parent.computed) ||
    ((parent?.type === 'MethodDefinition' || parent?.type === 'PropertyDefinition') && parent.key === node) ||
    (parent?.type === 'Property' && parent.key === node && !parent.shorthand);
  if (isKey) return undefined;
  // A function's own name belongs to the scope around it.
  const outside = ancestors.filter((outer) => !(isFunction(outer) && outer.id === node));
  return outside.some((outer) => isFunction(outer) || outer.type === 'StaticBlock')
    ? undefined
    : "Unexpected reserved word 'await'";
}

/** `undefined`, `NaN` and `Infinity` cannot be redeclared, as in any script. */
function fixedGlobalIn(node: SyntaxNode): string | undefined {
  let found: string | undefined;
  const look = (inner: SyntaxNode) => {
    if (inner.type === 'Identifier' && ['undefined', 'NaN', 'Infinity'].includes(inner.name))
      found = inner.name;
  };
  if (node.type === 'VariableDeclaration') for (const one of node.declarations) look(one.id);
  if (node.type === 'ClassDeclaration' && node.id) look(node.id);
  return found === undefined ? undefined : `Identifier '${found}' has already been declared`;
}

/**
 * True when acorn's reading may not be what a TypeScript author meant: `f<number>(5)` is a generic call, not two
 * comparisons; `f<A, B>(5)` not a list of two.
 */
export function looksGeneric(program: Program): boolean {
  let found = false;
  walk(program, (node) => {
    if (found) return false;
    if (node.type === 'BinaryExpression' && node.operator === '>') found = opensTypes(node.left);
    for (const list of Object.values(node)) {
      if (!Array.isArray(list) || list.length < 2 || !list.some(opensTypes)) continue;
      found ||= list.some((one) => one?.type === 'BinaryExpression' && one.operator === '>');
    }
    return undefined;
  });
  return found;
}

/** `callee < …`, where the callee could be called. */
const opensTypes = (node: SyntaxNode | null): boolean =>
  node?.type === 'BinaryExpression' && node.operator === '<' && node.left.type !== 'Literal';
