/**
 * The JavaScript in a TypeScript cell that cannot be had by erasing types alone.
 *
 * The transform of such cells (see `typescript.ts`) reads leniently and repairs what it reads, so what it prints says
 * nothing about whether the user's code was right. The skeleton does: each construct that cannot be erased stands
 * as JavaScript that declares the same names in the same scopes (an enum is a function, a namespace one of
 * another name), the rest is the user's, and a JavaScript parser may judge it. Pure.
 */
import { type Token, tokenizer } from 'acorn';
import { CELL_SYNTAX } from './syntax.ts';

export interface Skeleton {
  text: string;
  /** Whether it means what the cell means: nothing was erased but what has no meaning. */
  runs: boolean;
  /** Offset in the user's code of an offset in `text`. */
  originOf(offset: number): number;
}

/** A construct that erasing cannot do away with, from its first character on. */
export interface Unerasable {
  from: number;
  to: number;
}

/** What erasing made of a text: the same text without types, what stands in the way, or undefined when neither. */
export type Erased = string | Unerasable | undefined;

interface Mask {
  /** Where it ends in the text with masks, and how much longer that is there than without. */
  end: number;
  longer: number;
}

/** Constructs that are replaced one by one; when there are more, the others are all replaced at once. */
const ONE_BY_ONE = 8;

/** Characters that are read again and again, once for each construct, before the skeleton is given up. */
const MAX_READ = 3_000_000;

const EXPORT =
  /\bexport\s+(?=(?:declare|const|let|var|function|async|class|abstract|enum|namespace|module|interface|type|import)\b)/g;
const NAMESPACE =
  /(?<!\bdeclare\s+)(?<![\w$.])(?:namespace|module)\s+[\p{ID_Start}$_][\p{ID_Continue}$.\s]*\{/gu;
const PARAMETER = /(?<![\w$.])(?:public|private|protected|readonly|override)[ \t]+(?=[\p{ID_Start}$_])/gu;
const ENUM = /^(?:const\s+)?enum\s+([\p{ID_Start}$_][\p{ID_Continue}$]*)/u;

/**
 * The skeleton of a cell; undefined when there is a construct that it has no words for.
 * @param erase strips the types of a text as far as that goes
 */
export function skeletonOf(code: string, erase: (text: string) => Erased): Skeleton | undefined {
  const masked = new Masked(code);
  let runs = true;
  for (let round = 0; round * code.length < MAX_READ; round++) {
    if (round === ONE_BY_ONE && masked.replaceMany()) runs = false;
    const erased = erase(masked.text);
    if (erased === undefined) return undefined;
    if (typeof erased === 'string') return { text: erased, runs, originOf: (at) => masked.originOf(at) };
    const { from, to } = erased;
    const found = masked.text.slice(from, to);
    const name = ENUM.exec(found)?.[1];
    const assertion = found.startsWith('<') ? typeEnd(found) : 0;
    if (/^import\s/.test(found)) {
      masked.replace(from, from + 6, 'const ');
    } else if (assertion > 0) {
      // A line may end behind an assertion, but not behind `throw` or `return`: a sign holds its place there.
      const held = /^\s*[\n\r]/.test(found.slice(assertion));
      runs &&= !held;
      masked.replace(from, from + assertion, (held ? '+' : ' ') + blank(found.slice(1, assertion)));
    } else {
      runs = false;
      if (name !== undefined) masked.replace(from, to, `function ${name}(){}`);
      else if (!masked.replaceHeads()) return undefined;
    }
  }
  return undefined;
}

const blank = (text: string): string => text.replace(/[^\n\r\u2028\u2029]/g, ' ');

/** Length of the `<type>` that a text begins with, 0 when its brackets do not match. */
function typeEnd(text: string): number {
  let depth = 0;
  for (const { index, 0: bracket } of text.matchAll(/=>|[<([{]|[>)\]}]/g)) {
    if (bracket === '=>') continue;
    depth += '<([{'.includes(bracket) ? 1 : -1;
    if (depth === 0) return index + 1;
  }
  return 0;
}

/** Characters that the head of an enum, or an assertion's type, may take. */
const LONGEST_HEAD = 500;

/** Tokens as a JavaScript parser sees them; none when it cannot. */
function tokensOf(text: string): Token[] {
  try {
    return [...tokenizer(text, CELL_SYNTAX)];
  } catch {
    return [];
  }
}

/** Whether an expression may begin behind a token. (acorn knows, its types do not.) */
const expectsExpression = (token: Token | undefined): boolean =>
  (token?.type as { beforeExpr?: boolean } | undefined)?.beforeExpr === true;

/** Where the bracket that opens at a token is closed. */
function closing(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let at = open; at < tokens.length; at++) {
    const { label } = tokens[at]!.type;
    if (label === '{' || label === '${') depth++;
    else if (label === '}' && --depth === 0) return tokens[at]!.end;
  }
  return tokens[open]!.end;
}

/** A text with parts replaced, one after the other, that knows where the rest comes from. */
class Masked {
  text: string;
  #masks: Mask[] = [];
  #names = 0;

  constructor(text: string) {
    this.text = text;
  }

  replace(from: number, to: number, by: string): void {
    const longer = by.length - (to - from);
    this.text = this.text.slice(0, from) + by + this.text.slice(to);
    if (longer === 0) return;
    for (const mask of this.#masks) if (mask.end >= to) mask.end += longer;
    this.#masks.push({ end: from + by.length, longer });
  }

  /** Makes functions of namespaces, parameters of parameter properties. False when there are none. */
  replaceHeads(): boolean {
    const parameters = this.#replaceAll(PARAMETER, blank);
    if (!this.#replaceAll(NAMESPACE, () => `function ${this.#freshName()}(){`)) return parameters;
    this.#replaceAll(EXPORT, blank);
    return true;
  }

  /** Replaces all enums and assertions on one line, going by tokens. False when it could not. */
  replaceMany(): boolean {
    const tokens = tokensOf(this.text);
    for (let at = tokens.length - 1; at >= 0; at--) {
      const { start, type } = tokens[at]!;
      const before = tokens[at - 1];
      const rest = this.text.slice(start, start + LONGEST_HEAD);
      const name = ENUM.exec(rest)?.[1];
      if (name !== undefined && before?.type.label !== '.' && tokens[at + 2]?.type.label === '{') {
        const declared = before !== undefined && this.text.slice(before.start, before.end) === 'declare';
        if (!declared) this.replace(start, closing(tokens, at + 2), `function ${name}(){}`);
      } else if (type.label === '</>/<=/>=' && rest[0] === '<' && expectsExpression(before)) {
        const end = typeEnd(rest);
        if (end > 0 && !/[\n\r]/.test(rest.slice(0, end + 1)))
          this.replace(start, start + end, blank(rest.slice(0, end)));
      }
    }
    return tokens.length > 0;
  }

  #replaceAll(pattern: RegExp, by: (found: string) => string): boolean {
    const found = [...this.text.matchAll(pattern)].reverse();
    for (const { index, 0: text } of found) this.replace(index, index + text.length, by(text));
    return found.length > 0;
  }

  #freshName(): string {
    let name: string;
    do name = `_${this.#names++}`;
    while (this.text.includes(name));
    return name;
  }

  originOf(offset: number): number {
    let origin = offset;
    for (const { end, longer } of this.#masks) if (end <= offset) origin -= longer;
    return Math.max(origin, 0);
  }
}
