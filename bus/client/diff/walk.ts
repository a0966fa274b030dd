/**
 * Code that tells a session's variables, structurally: it is run as a cell on a copy. Pure.
 *
 * 1. It says a line a value, in the order of a walk: depth, key, type and text, parted by tabs. A key's first character
 *    says what it is: `v` variable, `p` property, `y` property under a symbol, `i` index, `g` value of a map, `e` entry of
 *    a map under an object, `h` primitive in a set, `m` object in a set, `x` what could not be read, `r` the rest.
 * 2. What it says of a variable depends on that variable, and on what those before it share with it, alone: each has room
 *    of its own. What finds no room is counted and hashed (`r`), so that no difference is lost.
 * 3. A cell reaches no builtins but those that it finds. It takes few of them, and uses them so that the session's names
 *    and prototypes do not lead elsewhere: no JSON, no iteration, no stores, no methods, no calls of getters. Whether they
 *    do what they should is seen from the sample, which is walked first.
 * 4. Traps of proxies run: on the copy. What they throw is told.
 */
import type { VariableSummary } from '../../types.ts';

/** Deeper values are hashed, and those below the second depth not looked at. */
const DEPTH_MAX = 24;
const HASHED_DEPTH_MAX = 150;
/** Characters of a text and a key that are told; the rest is hashed. */
const TEXT_UNITS = 200;
const KEY_UNITS = 100;
/** Elements of a typed array up to which each is told. */
const ELEMENTS_MAX = 64;
/** Keys of an object up to which they are sorted, and looked for in arrays. */
const KEYS_MAX = 20_000;
/** Units or bytes of one value that are hashed. */
const HASHED_MAX = 500_000;
/** Characters of a whole walk: what a cell's result holds, with some to spare. Values that it looks at. */
const UNITS_MAX = 200_000;
const LAST_UNITS_MAX = 250_000;
const NODES_MAX = 60_000;

/** Known beforehand: what is said of it tells whether the builtins are sound. */
const SAMPLE = `(function () {
  var s = { 'a b': [1, 't\\n', -0, null], u: void 0, n: 10n, get g() { return 1; } };
  s.d = new G.Date(5); s.r = /x/g; s.m = { s: s, x: NaN, y: true };
  return s;
})()`;
export const SAMPLE_LINES = [
  '0\tv*\tObject\tObject',
  '1\tpa b\tArray\tArray(4)',
  '2\ti0\tnumber\t1',
  '2\ti1\tstring\tt\\u000a',
  '2\ti2\tnumber\t-0',
  '2\ti3\tnull\tnull',
  '1\tpd\tDate\t5',
  '1\tpg\taccessor\tget',
  '1\tpm\tObject\tObject',
  '2\tps\tref\t1',
  '2\tpx\tnumber\tNaN',
  '2\tpy\tboolean\ttrue',
  '1\tpn\tbigint\t10n',
  '1\tpr\tRegExp\t/x/g',
  '1\tpu\tundefined\tundefined',
];

const WALKER = String.raw`
var R = G.Reflect, apply = R.apply, ownKeys = R.ownKeys, descriptor = R.getOwnPropertyDescriptor;
var protoOf = R.getPrototypeOf, isArray = G.Array.isArray, isError = G.Error.isError;
var plain = G.Object.prototype, hasOwn = plain.hasOwnProperty, sort = G.Array.prototype.sort;
var functionText = G.Function.prototype.toString, symbolText = G.Symbol.prototype.toString;
var codeAt = apply(G.Function.prototype.bind, G.Function.prototype.call, [G.String.prototype.charCodeAt]), Bytes = G.Uint8Array;
var Known = G.WeakMap, knownGet = Known.prototype.get, knownSet = Known.prototype.set, known = new Known();
var mapEach = G.Map.prototype.forEach, setEach = G.Set.prototype.forEach;
function own(o, key) { return apply(hasOwn, o, [key]); }
function getter(o, key) {
  var d = o === undefined || o === null ? undefined : descriptor(o, key);
  return d !== undefined && own(d, 'get') ? d.get : undefined;
}
function method(name, key) {
  var d = G[name] ? descriptor(G[name].prototype, key) : undefined;
  return d === undefined ? undefined : own(d, 'value') ? d.value : d.get;
}
var mapSize = method('Map', 'size'), setSize = method('Set', 'size'), dateTime = method('Date', 'getTime');
var source = method('RegExp', 'source'), flags = method('RegExp', 'flags'), href = method('URL', 'href');
var typedPrototype = protoOf(Bytes.prototype), typedLength = getter(typedPrototype, 'length');
var typedName = getter(typedPrototype, G.Symbol.toStringTag), bufferBytes = method('ArrayBuffer', 'byteLength');
var boxes = [method('Number', 'valueOf'), method('String', 'valueOf'), method('Boolean', 'valueOf')];
var HEX = '0123456789abcdef', NONE = {};

var out = '', lines = 0, variable = 0, room = 0, isFull = false, used = 0, count = 0, rest = 0, isOver = false;
var sampled = false, isUnsound = false;
function mix(hash, number) { return (hash * 31 + number) % 140737488355213; }
function mixText(hash, text) {
  var end = text.length < HASHED_MAX ? text.length : HASHED_MAX;
  if (end < text.length) isOver = true;
  for (var at = 0; at < end; at++) hash = (hash * 31 + codeAt(text, at)) % 140737488355213;
  return mix(hash, text.length);
}
function hex(hash) {
  var text = '';
  for (; hash > 0; hash = (hash - hash % 16) / 16) text = HEX[hash % 16] + text;
  return '#' + text;
}
function safe(text, max) {
  var told = '', end = text.length < max ? text.length : max;
  for (var at = 0; at < end; at++) {
    var c = text[at];
    if (c >= ' ' && c < '\x7f' && c !== '\\' || c >= '\xa0' && c < '\ud800' || c > '\udfff') { told += c; continue; }
    var code = codeAt(text, at);
    told += '\\u' + HEX[code >> 12] + HEX[code >> 8 & 15] + HEX[code >> 4 & 15] + HEX[code & 15];
  }
  return text.length > max ? told + '\\>' + text.length + ' ' + hex(mixText(7, text)) : told;
}
function say(depth, key, type, text) {
  var line = depth + '\t' + key + '\t' + type + '\t' + text + '\n';
  if (!isFull && depth <= DEPTH_MAX) {
    if (depth === 0 || line.length <= room) {
      room -= line.length;
      out += line;
      return ++lines;
    }
    isFull = true;
  }
  count++;
  rest = mixText(rest, type === 'ref' ? depth + key : line);
  return 0;
}
function numberText(n) { return n === 0 && 1 / n < 0 ? '-0' : '' + n; }
function primitive(v) {
  switch (typeof v) {
    case 'string': return safe(v, TEXT_UNITS);
    case 'number': return numberText(v);
    case 'bigint': return safe('' + v + 'n', TEXT_UNITS);
    case 'symbol': return safe(apply(symbolText, v, []), TEXT_UNITS);
    default: return '' + v;
  }
}
function isPrimitive(v) { return v === null || typeof v !== 'object' && typeof v !== 'function'; }
function literal(v) { return (typeof v === 'string' ? 's' : 'o') + primitive(v); }
function nameIn(maker) {
  var d = descriptor(maker, 'name');
  return d !== undefined && own(d, 'value') && typeof d.value === 'string' ? d.value : '';
}
function className(v) {
  for (var at = v, level = 0; at !== null && level < 50; level++, at = protoOf(at)) {
    var d = descriptor(at, 'constructor');
    if (d === undefined || !own(d, 'value') || typeof d.value !== 'function') continue;
    var name = nameIn(d.value);
    if (name !== '') return safe(name, KEY_UNITS);
  }
  return isArray(v) ? 'Array' : 'Object';
}
function thrownName(thrown) {
  try { return isPrimitive(thrown) ? primitive(thrown) : className(thrown); } catch (e) { return 'something'; }
}
function slot(take, v) {
  if (take === undefined) return NONE;
  try { return apply(take, v, []); } catch (e) { return NONE; }
}
function bytesHash(bytes, length) {
  var hash = 7, end = length < HASHED_MAX ? length : HASHED_MAX;
  if (end < length) isOver = true;
  for (var at = 0; at < end; at++) hash = typeof bytes[at] === 'bigint' ? mixText(hash, '' + bytes[at]) :
    bytes[at] % 1 === 0 && bytes[at] < 4294967296 && bytes[at] >= -2147483648
      ? mix(hash, bytes[at] + 2147483648) : mixText(hash, '' + bytes[at]);
  return hex(hash);
}
function functionLine(v) {
  var text = apply(functionText, v, []);
  var word = text[0] === 'c' && text[1] === 'l' && text[2] === 'a' && text[3] === 's' && text[4] === 's' ? 'class' : 'function';
  return word + ' ' + safe(nameIn(v), KEY_UNITS) + ' ' + hex(mixText(7, text));
}
function walk(v, depth, key, isOwner) {
  if (used++ >= NODES || depth > HASHED_DEPTH_MAX) { isOver = true; return; }
  if (isPrimitive(v)) { say(depth, key, v === null ? 'null' : typeof v, primitive(v)); return; }
  var seen = apply(knownGet, known, [v]);
  if (seen !== undefined && !isOwner) { say(depth, key, 'ref', '' + seen); return; }
  // Of what is not told, its variable alone is known.
  apply(knownSet, known, [v, -variable]);
  var line = 0, isTold = false;
  function head(type, text) {
    isTold = true;
    line = say(depth, key, type, text);
    if (line > 0) apply(knownSet, known, [v, line]);
  }
  try { inside(v, depth + 1, head); }
  catch (thrown) {
    if (isTold) say(depth + 1, 'x', 'throws', thrownName(thrown));
    else say(depth, key, 'throws', thrownName(thrown));
  }
}
function inside(v, depth, head) {
  if (typeof v === 'function') {
    head('function', functionLine(v));
    return properties(v, depth, 'function');
  }
  if (isArray(v)) {
    var length = descriptor(v, 'length').value, name = className(v);
    head(name, name + '(' + length + ')');
    for (var at = 0; at < length; at++) {
      if (used >= NODES) { isOver = true; return; }
      var d = descriptor(v, at);
      if (d === undefined) used++;
      else entry(v, d, depth, 'i' + at);
    }
    if (length <= KEYS_MAX) properties(v, depth, 'array');
    return;
  }
  var proto = protoOf(v);
  if (proto === plain || proto === null) {
    head('Object', proto === null ? '[Object: null prototype]' : className(v));
    return properties(v, depth, '');
  }
  var type = className(v), size = slot(mapSize, v);
  if (size !== NONE) {
    head(type, type + '(' + size + ')');
    var entries = 0, met = 0;
    apply(mapEach, v, [function (value, key) {
      met++;
      if (used >= NODES) { isOver = true; return; }
      if (isPrimitive(key)) return walk(value, depth, 'g' + literal(key));
      say(depth, 'e' + entries++, 'entry', '');
      walk(key, depth + 1, 'pkey');
      walk(value, depth + 1, 'pvalue');
    }]);
    if (met !== size) isUnsound = true;
    return properties(v, depth, '');
  }
  if ((size = slot(setSize, v)) !== NONE) {
    head(type, type + '(' + size + ')');
    var items = 0, seen = 0;
    apply(setEach, v, [function (value) {
      seen++;
      if (used >= NODES) { isOver = true; return; }
      if (isPrimitive(value)) { used++; say(depth, 'h' + literal(value), 'boolean', 'true'); }
      else walk(value, depth, 'm' + items++);
    }]);
    if (seen !== size) isUnsound = true;
    return properties(v, depth, '');
  }
  var time = slot(dateTime, v), typed = slot(typedName, v), bytes = slot(bufferBytes, v);
  if (time !== NONE) head('Date', '' + time);
  else if (typed !== NONE && typed !== undefined) {
    var elements = apply(typedLength, v, []);
    head(type, type + '(' + elements + ') ' + bytesHash(v, elements));
    if (elements <= ELEMENTS_MAX) for (var e = 0; e < elements; e++) walk(v[e], depth, 'i' + e);
    return;
  } else if (bytes !== NONE) head(type, type + '(' + bytes + ') ' + bytesHash(new Bytes(v), bytes));
  else {
    var pattern = slot(source, v), address = slot(href, v), boxed = NONE;
    for (var b = 0; b < 3 && boxed === NONE; b++) boxed = slot(boxes[b], v);
    if (pattern !== NONE) head(type, '/' + safe(pattern, TEXT_UNITS) + '/' + safe('' + slot(flags, v), 20));
    else if (address !== NONE) return head(type, type + ' ' + safe(address, TEXT_UNITS));
    else if (boxed !== NONE) head(type, '[' + type + ': ' + primitive(boxed) + ']');
    else head(type, type);
  }
  properties(v, depth, isError && isError(v) ? 'error' : '');
}
function properties(v, depth, kind) {
  var all = ownKeys(v), texts = { __proto__: null, length: 0 }, at;
  if (all.length > NODES) { isOver = true; return; }
  for (at = 0; at < all.length; at++) {
    var key = all[at];
    if (typeof key !== 'string') continue;
    if (kind === 'array' && (key === 'length' || '' + (key >>> 0) === key)) continue;
    if (kind === 'error' && key === 'stack') continue;
    if (kind === 'function' && (key === 'name' || key === 'length' || key === 'arguments' || key === 'caller')) continue;
    texts[texts.length++] = key;
  }
  if (texts.length <= KEYS_MAX) apply(sort, texts, []);
  for (at = 0; at < texts.length; at++) property(v, texts[at], depth, kind);
  for (at = 0; at < all.length; at++) if (typeof all[at] === 'symbol') property(v, all[at], depth, kind);
}
function property(v, key, depth, kind) {
  var d = descriptor(v, key);
  if (d === undefined) return;
  if (key === 'lastIndex' && d.value === 0 && !d.enumerable) return;
  if (key === 'constructor' && !d.enumerable && typeof d.value === 'function') return;
  // Every function has one: it is told when there is something in it.
  if (kind === 'function' && key === 'prototype' && own(d, 'value') && !isPrimitive(d.value) && ownKeys(d.value).length < 2) return;
  entry(v, d, depth, typeof key === 'symbol' ? 'y' + safe(apply(symbolText, key, []), KEY_UNITS) : 'p' + safe(key, KEY_UNITS));
}
function entry(v, d, depth, key) {
  if (own(d, 'value')) return walk(d.value, depth, key);
  used++;
  var get = typeof d.get === 'function', set = typeof d.set === 'function';
  var text = (get ? 'get' : '') + (set ? 'set' : '');
  say(depth, key, 'accessor', sampled ? text + ' ' + hex(mixText(mixText(7, get ? apply(functionText, d.get, []) : ''), set ? apply(functionText, d.set, []) : '')) : text);
}
function read(at) {
  if (list[at + 1] !== null) return list[at + 1]();
  var d = descriptor(G, list[at]);
  return d !== undefined && own(d, 'value') ? d.value : undefined;
}
function tell(at) {
  variable = at / 2;
  room = UNITS; isFull = false; used = 0; count = 0; rest = 7; isOver = false;
  if (out.length > LAST_UNITS_MAX) return;
  var key = 'v' + list[at], d = list[at + 1] === null ? descriptor(G, list[at]) : undefined, value;
  if (d !== undefined && !own(d, 'value')) entry(G, d, 0, key);
  else {
    try { value = read(at); }
    catch (thrown) { say(0, key, 'throws', thrownName(thrown)); return; }
    walk(value, 0, key, !isPrimitive(value) && apply(knownGet, known, [value]) === OWNER + variable);
  }
  if (count > 0 || isOver) out += '1\tr\trest\t' + count + ' ' + hex(rest) + (isOver ? ' +' : '') + '\n', lines++;
}
list[1] = function () { return SAMPLE; };
tell(0);
sampled = true;
// What is a variable's value is named by the variable, wherever else it is met before.
var next, held;
for (next = list.length - 2; next > 0; next -= 2) {
  try { held = read(next); } catch (thrown) { held = 0; }
  if (!isPrimitive(held)) apply(knownSet, known, [held, OWNER + next / 2]);
}
for (next = 2; next < list.length; next += 2) tell(next);
if (isUnsound) return;
if (isPrinted) return void G.console.log(out);
return { __proto__: null, [G.Symbol.for('nodejs.util.inspect.custom')]: function () { return out; } };
`;

/** A reference with a number from this on is one to the value of a variable. */
export const OWNER = 1_000_000_000;

const CONSTANTS: Record<string, number> = {
  OWNER,
  DEPTH_MAX,
  HASHED_DEPTH_MAX,
  TEXT_UNITS,
  KEY_UNITS,
  ELEMENTS_MAX,
  KEYS_MAX,
  HASHED_MAX,
  LAST_UNITS_MAX,
};

/**
 * The code, for the variables in this order.
 * @param share of how many variables: what they have room for must not depend on which moment is looked at
 * @param isPrinted it prints what it says: giving it as the cell's result needs more builtins to be sound
 */
export function walkCode(
  variables: readonly Pick<VariableSummary, 'name' | 'kind'>[],
  share: number,
  isPrinted = false,
): string {
  const list = variables.map(({ name, kind }) => {
    // A property of the global object may be an accessor, or have the name of a keyword.
    return `${JSON.stringify(name)}, ${kind === 'global' ? 'null' : `() => ${name}`}`;
  });
  const all: Record<string, number> = {
    ...CONSTANTS,
    UNITS: Math.max(60, Math.floor(UNITS_MAX / Math.max(1, share))),
    NODES: Math.max(100, Math.floor(NODES_MAX / Math.max(1, share))),
  };
  const constants = Object.entries(all).map(([name, value]) => `${name} = ${value}`);
  const body = `var ${constants.join(', ')};${WALKER.replace('SAMPLE;', () => `${SAMPLE};`)}`;
  return `(function (G, list, isPrinted) {${body}})((function () { return this; })(), ['*', null, ${list.join(', ')}], ${isPrinted})`;
}
