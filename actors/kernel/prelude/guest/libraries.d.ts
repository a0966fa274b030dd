declare module 'whatwg-url' {
  export class URL {
    constructor(url: string, base?: string);
  }
  export class URLSearchParams {
    forEach(visit: (value: string, key: string) => void): void;
  }
}
declare module 'punycode/punycode.es6.js' {
  export function encode(label: string): string;
  export function decode(label: string): string;
}
