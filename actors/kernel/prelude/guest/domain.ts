/**
 * What URLs need of Unicode domain names (UTS 46), in place of the `tr46` package: its mapping tables would
 * double the kernel's heap. Names are lower-cased, normalised (NFKC) and written in punycode.
 */
import { decode, encode } from 'punycode/punycode.es6.js';

const FORBIDDEN = /[\p{Cc}\p{Cs}\p{Co}\p{Cn}]/u;

function normalized(domain: string): string {
  return domain
    .replace(/[\ufe00-\ufe0f]|\u00ad|\u200b|\u2060|\ufeff/g, '')
    .normalize('NFKC')
    .toLowerCase()
    .normalize('NFKC')
    .replace(/[\u3002\uff0e\uff61]/g, '.');
}

/** The ASCII form of a domain, null when it has none. */
export function toASCII(domain: string, options: { beStrict?: boolean } = {}): string | null {
  const labels: string[] = [];
  for (const label of normalized(domain).split('.')) {
    if (/^[\0-\x7f]*$/.test(label)) {
      if (label.startsWith('xn--') && !validPunycode(label)) return null;
      labels.push(label);
      continue;
    }
    if (FORBIDDEN.test(label) || /^\p{M}/u.test(label) || label.startsWith('xn--')) return null;
    labels.push(`xn--${encode(label)}`);
  }
  const ascii = labels.join('.');
  if (options.beStrict && labels.some((label) => label.length > 63)) return null;
  return ascii;
}

function validPunycode(label: string): boolean {
  try {
    const text = decode(label.slice(4));
    return text !== '' && normalized(text) === text && /[^\0-\x7f]/.test(text) && !/^\p{M}/u.test(text);
  } catch {
    return false;
  }
}

/** The Unicode form, for display. */
export function toUnicode(domain: string): { domain: string; error: boolean } {
  let error = false;
  const labels = domain.split('.').map((label) => {
    if (!label.startsWith('xn--')) return label;
    if (validPunycode(label)) return decode(label.slice(4));
    error = true;
    return label;
  });
  return { domain: labels.join('.'), error };
}

export default { toASCII, toUnicode };
