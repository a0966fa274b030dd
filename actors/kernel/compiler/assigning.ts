/** Declarations of names that the engine may not declare again, written as assignments. */
import type { Program, Token, VariableDeclaration } from 'acorn';
import type { Declaring } from './declaring.ts';
import { tokenFrom } from './located.ts';
import type { Rewriting } from './rewriting.ts';
import type { Declarations } from './scope.ts';
import { declaredNames } from './tree.ts';

/** What the engine may not declare becomes assignments; functions of lexical names are cut out (see hoistFunctions). */
export function assignDeclarations(
  out: Rewriting,
  program: Program,
  tokens: readonly Token[],
  { before, isNative }: Declaring,
  hoisted: Set<string>,
): void {
  for (const statement of program.body) {
    if (statement.type === 'VariableDeclaration' && statement.kind !== 'var') {
      const { declarations } = statement;
      const natives = declarations.filter(isNative).length;
      if (natives === declarations.length) continue;
      if (natives === 0) assignInPlace(out, statement, true);
      else assignSome(out, statement, tokens, isNative);
      for (const name of declaredNames(statement)) if (before.globals.has(name)) hoisted.add(name);
    } else if (statement.type === 'ClassDeclaration' && !isNative(statement)) {
      out.insert(statement.start, `var {}=(${statement.id.name}=`);
      out.insert(statement.end, ',0);');
      if (before.globals.has(statement.id.name)) hoisted.add(statement.id.name);
    } else if (statement.type === 'FunctionDeclaration' && before.lexicals.has(statement.id.name)) {
      out.replace(statement.start, statement.end, ';', true);
    }
  }
}

/** `let a = 1, b;` to `var {}=(a = 1, b=void 0,0);`: the value assigned, the completion value empty. */
function assignInPlace(out: Rewriting, statement: VariableDeclaration, resets: boolean): void {
  const first = statement.declarations[0]!;
  const last = statement.declarations.at(-1)!;
  out.replace(statement.start, first.id.start, 'var {}=(');
  for (const declarator of statement.declarations) {
    if (!declarator.init && resets) out.insert(declarator.id.end, '=void 0');
  }
  out.insert(last.end, statement.end > last.end ? ',0)' : ',0);');
}

/** `let a = 1, b, c` where b alone is new to `var {}=(a = 1,0);let b;var {}=(c=void 0,0);`. */
function assignSome(
  out: Rewriting,
  statement: VariableDeclaration,
  tokens: readonly Token[],
  isNative: Declaring['isNative'],
): void {
  const { declarations, kind, start, end } = statement;
  let native: boolean | undefined;
  for (const [at, declarator] of declarations.entries()) {
    const opened = isNative(declarator) ? `${kind} ` : 'var {}=(';
    const closed = native ? ';' : ',0);';
    if (at === 0) {
      out.replace(start, declarator.id.start, opened);
    } else if (native !== isNative(declarator) || native) {
      const comma = tokens[tokenFrom(tokens, declarations[at - 1]!.end)]!;
      out.replace(comma.start, comma.end, closed + opened);
    }
    native = isNative(declarator);
    if (!declarator.init && !native) out.insert(declarator.id.end, '=void 0');
  }
  const last = declarations.at(-1)!;
  if (!native) out.insert(last.end, end > last.end ? ',0)' : ',0);');
}

/** A `var` of a lexical name assigns to it. */
export function assignVars(
  out: Rewriting,
  found: Declarations,
  lexicals: Set<string>,
  hoisted: Set<string>,
): void {
  for (const { node, place } of found.vars) {
    const names = declaredNames(node);
    if (!names.some((name) => lexicals.has(name))) continue;
    for (const name of names) if (!lexicals.has(name)) hoisted.add(name);
    const first = node.declarations[0]!;
    if (place === 'statement') {
      assignInPlace(out, node, false);
    } else if (place === 'init') {
      if (node.declarations.some((declarator) => declarator.init))
        out.replace(node.start, first.id.start, '');
      else out.replace(node.start, node.end, '');
    } else {
      const plain = first.id.type === 'Identifier';
      out.replace(node.start, first.id.start, plain ? '(' : '');
      out.replace(first.id.end, node.end, plain ? ')' : '');
    }
  }
}

/** Functions whose name is lexical are assigned at the start, as hoisting would. */
export function hoistFunctions(out: Rewriting, program: Program, lexicals: Set<string>): void {
  for (const statement of program.body) {
    if (statement.type !== 'FunctionDeclaration' || !lexicals.has(statement.id.name)) continue;
    out.frontText(`var {}=(${statement.id.name}=`, statement.start);
    out.frontSlice(statement.start, statement.id.start);
    out.frontSlice(statement.id.end, statement.end);
    out.frontText(',0);', statement.end);
  }
}
