/** URL and URLSearchParams: whatwg-url, the reference implementation of the standard. */
import './encoding.ts';
import { URL, URLSearchParams } from 'whatwg-url';
import { define, expose, push, uncurry } from './intrinsics.ts';
import { inspect } from './rendering.ts';
import { showAs } from './shown.ts';

const URL_PROPERTIES = [
  'href',
  'origin',
  'protocol',
  'username',
  'password',
  'host',
  'hostname',
  'port',
  'pathname',
  'search',
  'searchParams',
  'hash',
];

const eachParam = uncurry(URLSearchParams.prototype.forEach);

/** As Node writes them: `URLSearchParams { 'a' => '1' }`. */
function showParams(this: URLSearchParams, _depth: unknown, options?: { breakLength?: number }): string {
  const entries: string[] = [];
  let length = 0;
  eachParam(this, (value, key) => {
    const entry = `${inspect(key)} => ${inspect(value)}`;
    length += entry.length + 2;
    push(entries, entry);
  });
  if (entries.length === 0) return 'URLSearchParams {}';
  const broken = length - 2 > (options?.breakLength ?? 80);
  let text = `URLSearchParams {${broken ? '\n  ' : ' '}`;
  for (let at = 0; at < entries.length; at++)
    text += (at === 0 ? '' : broken ? ',\n  ' : ', ') + entries[at]!;
  return `${text} }`;
}

/** The library's own gives out its inner object. */
function parse(url: string, base?: string): URL | null {
  try {
    return base === undefined ? new URL(url) : new URL(url, base);
  } catch {
    return null;
  }
}

export function installUrl(): void {
  expose(globalThis, 'URL', URL);
  expose(globalThis, 'URLSearchParams', URLSearchParams);
  expose(URL, 'parse', parse);
  showAs(URL.prototype, URL_PROPERTIES);
  define(URLSearchParams.prototype, Symbol.for('nodejs.util.inspect.custom'), showParams);
}
