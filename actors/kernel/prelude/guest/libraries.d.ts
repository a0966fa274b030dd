declare module 'whatwg-url' {
  export const URL: object;
  export const URLSearchParams: object;
}
declare module 'punycode/punycode.es6.js' {
  export function encode(label: string): string;
  export function decode(label: string): string;
}
