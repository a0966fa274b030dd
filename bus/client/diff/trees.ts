/** Variables as trees, and where two of them differ. Pure. */
import { OWNER, SAMPLE_LINES } from './walk.ts';

/** A value: what it is by itself, and what it holds, by the step that leads there (`.x`, `[3]`, `.get("k")`). */
export interface ValueTree {
  text: string;
  children: Map<string, ValueTree>;
  /** More of what it holds may be in the rest. */
  isCut?: boolean;
}

/** Where two trees differ: absent is what only the other has. When either holds nothing, both are there as a whole. */
export interface TreeChange {
  steps: string[];
  a?: ValueTree;
  b?: ValueTree;
}

/** What the walk had no room to tell: how much, and a hash of it. */
export const REST = '.…';

const PREVIEW_UNITS = 120;

export interface Walked {
  variables: Map<string, ValueTree>;
  /** Not all was told; there is a hash of what was not. */
  isCut: boolean;
  /** Not all was looked at. */
  isOver: boolean;
}

/**
 * What a walk says; null when the session's builtins do not do what they should.
 * @param walked names of the variables, in the order of the walk
 */
export function parseWalk(text: string, walked: readonly string[]): Walked | null {
  const lines = text.replace(/\n+$/, '').split('\n');
  if (SAMPLE_LINES.some((line, index) => lines[index] !== line)) return null;
  const variables = new Map<string, ValueTree>();
  // By number of line, and by number of variable: what references name.
  const paths: string[] = [];
  const names = ['*', ...walked];
  const open: { tree: ValueTree; path: string }[] = [];
  let isCut = false;
  let isOver = false;
  for (const line of lines) {
    const [depthText = '', key = '', type = '', ...rest] = line.split('\t');
    const depth = Number(depthText);
    const parent = open[depth - 1];
    if (depth > 0 && !parent) return null;
    const value = rest.join('\t');
    const tree: ValueTree = { text: textOf(type, value, paths, names), children: new Map() };
    const step = stepOf(key);
    const path = parent ? parent.path + step : step;
    paths.push(path);
    if (key[0] === 'r') {
      isCut = true;
      isOver ||= value.endsWith(' +');
      for (const one of open) one.tree.isCut = true;
    }
    if (!parent) variables.set(step, tree);
    else parent.tree.children.set(freeStep(parent.tree.children, step), tree);
    open[depth] = { tree, path };
    open.length = depth + 1;
  }
  variables.delete('*');
  return { variables, isCut, isOver };
}

/** Symbols may be called alike. */
function freeStep(taken: ReadonlyMap<string, ValueTree>, step: string): string {
  let free = step;
  for (let number = 2; taken.has(free); number++) free = `${step}#${number}`;
  return free;
}

function textOf(type: string, text: string, paths: readonly string[], names: readonly string[]): string {
  switch (type) {
    case 'string':
      return quoted(text);
    case 'accessor':
      return `[${plain(text)}]`;
    case 'throws':
      return `<throws ${plain(text)}>`;
    case 'Date':
      return Number.isNaN(Number(text)) ? 'Invalid Date' : new Date(Number(text)).toISOString();
    case 'rest': {
      const [count = '', hash = ''] = text.split(' ');
      return `${count} more ${hash}`;
    }
    case 'ref': {
      const number = Number(text);
      if (number >= OWNER) return `→ ${names[number - OWNER] ?? '?'}`;
      return number > 0 ? `→ ${paths[number - 1] ?? '?'}` : `→ something in ${names[-number] ?? '?'}`;
    }
    default:
      return plain(text);
  }
}

function stepOf(key: string): string {
  const rest = key.slice(1);
  switch (key[0]) {
    case 'p':
      return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(rest) ? `.${rest}` : `[${quoted(rest)}]`;
    case 'y':
    case 'i':
      return `[${plain(rest)}]`;
    case 'g':
      return `.get(${literal(rest)})`;
    case 'h':
      return `.has(${literal(rest)})`;
    case 'e':
      return `.entry(${rest})`;
    case 'm':
      return `.item(${rest})`;
    case 'x':
      return '.?';
    case 'r':
      return REST;
    default:
      return rest;
  }
}

const literal = (text: string): string => (text[0] === 's' ? quoted(text.slice(1)) : plain(text.slice(1)));

const unescaped = (text: string): string =>
  text.replace(/\\u([0-9a-f]{4})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));

/** What was cut ends with its length and the hash of the whole. */
function parts(text: string): { told: string; cut: string } {
  const at = text.indexOf('\\>');
  if (at < 0) return { told: unescaped(text), cut: '' };
  const [length = '', hash = ''] = text.slice(at + 2).split(' ');
  return { told: unescaped(text.slice(0, at)), cut: `… (${length} characters, ${hash})` };
}

function plain(text: string): string {
  const { told, cut } = parts(text);
  return told + cut;
}

function quoted(text: string): string {
  const { told, cut } = parts(text);
  return JSON.stringify(told) + cut;
}

/** Where two trees differ, in the order of `a`, then what only `b` has. */
export function diffTrees(a: ValueTree, b: ValueTree): TreeChange[] {
  const changes: TreeChange[] = [];
  const isRestSame = a.children.get(REST)?.text === b.children.get(REST)?.text;
  compare(a, b, [], isRestSame, changes);
  return changes;
}

function compare(
  a: ValueTree,
  b: ValueTree,
  steps: string[],
  isRestSame: boolean,
  changes: TreeChange[],
): void {
  if (a.text !== b.text) {
    changes.push({ steps, a, b });
    if (isReplaced({ a, b })) return;
  }
  for (const step of new Set([...a.children.keys(), ...b.children.keys()])) {
    const [old, now] = [a.children.get(step), b.children.get(step)];
    const there = [...steps, step];
    if (old && now) compare(old, now, there, isRestSame, changes);
    else if (isRestSame || step === REST || !mayBeUntold(step, old ? [a, b] : [b, a]))
      changes.push({ steps: there, a: old, b: now });
  }
}

/** Whether what one holds may be in what the other had no room for: that the rests differ is told already. */
function mayBeUntold(step: string, [holder, other]: [ValueTree, ValueTree]): boolean {
  if (!other.isCut) return false;
  const held = [...holder.children.keys()];
  const last = [...other.children.keys()].filter((one) => one !== REST).at(-1);
  return last === undefined || held.indexOf(step) > held.indexOf(last);
}

/** Whether a change is one of the whole value, with all that it holds: else what it holds has changes of its own. */
export function isReplaced({ a, b }: Pick<TreeChange, 'a' | 'b'>): boolean {
  return !a || !b || a.children.size === 0 || b.children.size === 0;
}

/** A value on one line: itself, and what it holds as far as there is room. */
export function previewOf(tree: ValueTree, units = PREVIEW_UNITS): string {
  let text = tree.text;
  let separator = ' { ';
  for (const [step, child] of tree.children) {
    const room = units - text.length;
    if (room < 12) return `${text}${separator}… }`;
    text += `${separator}${step.replace(/^\./, '')}: ${previewOf(child, room - step.length)}`;
    separator = ', ';
  }
  return (separator === ', ' ? `${text} }` : text).trimStart();
}
