/** URL and URLSearchParams: whatwg-url, the reference implementation of the standard. */
import './encoding.ts';
import { URL, URLSearchParams } from 'whatwg-url';
import { expose } from './intrinsics.ts';

export function installUrl(): void {
  expose(globalThis, 'URL', URL);
  expose(globalThis, 'URLSearchParams', URLSearchParams);
}
