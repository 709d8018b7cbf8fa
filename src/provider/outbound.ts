/**
 * The `fetch` with which the engine reads a `jwks_uri` and tells of logouts. The engine's own guard against
 * special-use addresses holds, except for the hosts that the configuration allows (SS-2, SS-3). No redirect is
 * followed.
 */
export function createOutboundFetch(
  allowHosts: readonly string[],
): (url: URL | string, init: RequestInit) => Promise<Response> {
  const allowed = new Set(allowHosts.map((host) => host.toLowerCase()))
  return (url, init) => {
    const { host, hostname } = new URL(url)
    const guarded: RequestInit & { dispatcher?: unknown } = { ...init, redirect: 'error' }
    // The engine hands its guard over as the dispatcher.
    if (allowed.has(host) || allowed.has(hostname)) delete guarded.dispatcher
    return fetch(url, guarded)
  }
}
