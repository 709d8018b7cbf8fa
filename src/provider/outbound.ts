/**
 * The engine's `fetch` for `jwks_uri` and back-channel logout: its own guard against special-use addresses stays in force except for
 * the hosts the configuration allows (SS-2, SS-3). Redirects are never followed.
 */
export function createOutboundFetch(
  allowHosts: readonly string[],
): (url: URL | string, init: RequestInit) => Promise<Response> {
  const allowed = new Set(allowHosts.map((host) => host.toLowerCase()))
  return (url, init) => {
    const { host, hostname } = new URL(url)
    const guarded: RequestInit & { dispatcher?: unknown } = { ...init, redirect: 'error' }
    if (allowed.has(host) || allowed.has(hostname)) delete guarded.dispatcher
    return fetch(url, guarded)
  }
}
