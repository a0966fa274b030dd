/**
 * Connections by way of a proxy, as HTTPS_PROXY, HTTP_PROXY and NO_PROXY ask for them. Node's own `fetch` reads none
 * of these before version 24; `undici` is what it is made of.
 */

/** Addresses of proxies, and the hosts that are reached without one; as in curl. */
export interface ProxySettings {
  https: string | undefined;
  http: string | undefined;
  /** Hosts and suffixes of hosts, with or without ports, separated by commas; `*` for all. */
  except: string | undefined;
}

/** A `fetch` that goes by way of the proxies. Loads what it needs. */
export async function proxyingFetch(settings: ProxySettings): Promise<typeof fetch> {
  const { EnvHttpProxyAgent, fetch: proxied } = await import('undici');
  const dispatcher = new EnvHttpProxyAgent({
    httpProxy: settings.http ?? '',
    httpsProxy: settings.https ?? '',
    noProxy: settings.except ?? '',
  });
  return (input, init) => proxied(input, { ...init, dispatcher } as Parameters<typeof proxied>[1]);
}
