const YEAR = 31_536_000

const POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  // Named, so that the engine can add the hash of its own self-submitting page (X9).
  "script-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "object-src 'none'",
  "frame-ancestors 'none'",
].join('; ')

/**
 * What every response carries, errors too (WE-5, WE-6, WE-7). There is no `form-action`: browsers apply it to the whole
 * way back to the relying party.
 */
export function securityHeaders(issuer: string): Readonly<Record<string, string>> {
  return {
    'content-security-policy': POLICY,
    'x-frame-options': 'DENY',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
    ...(issuer.startsWith('https:') && { 'strict-transport-security': `max-age=${YEAR}; includeSubDomains` }),
  }
}

/** For pages whose forms, if any, never leave this origin. */
export const FORMS_STAY = `${POLICY}; form-action 'self'`
