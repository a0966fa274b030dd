/** The little of `undici` that `proxies.ts` uses: its own types would speak of another `Response` than Node's. */
declare module 'undici' {
  export class EnvHttpProxyAgent {
    constructor(options: { httpProxy?: string; httpsProxy?: string; noProxy?: string });
  }
  export function fetch(
    input: Parameters<typeof globalThis.fetch>[0],
    init?: RequestInit & { dispatcher?: EnvHttpProxyAgent },
  ): ReturnType<typeof globalThis.fetch>;
}
