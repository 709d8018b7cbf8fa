import { isLoopback } from '../../kernel/network.ts'
import { strictUrl } from './addresses.ts'

/** Schemes that run something or read files instead of returning to an app. */
const DANGEROUS = new Set(
  [
    'about',
    'blob',
    'chrome',
    'data',
    'file',
    'filesystem',
    'ftp',
    'intent',
    'javascript',
    'mailto',
    'vbscript',
    'view-source',
    'ws',
    'wss',
  ].map((scheme) => `${scheme}:`),
)

/**
 * What is wrong with a redirect URI (OA-1, WE-8); undefined when nothing is. It is kept as it stands, byte for byte.
 */
export function redirectProblem(uri: string, application: 'web' | 'native'): string | undefined {
  const url = strictUrl(uri)
  if (url === undefined) return 'must be an absolute address'
  if (uri.includes('#')) return 'must have no fragment'
  if (uri.includes('*')) return 'must have no wildcard: addresses are compared character by character'
  if (url.username !== '' || url.password !== '') return 'must have no user name'
  if (url.protocol === 'https:') return httpsProblem(url, application)
  if (url.protocol === 'http:') return isLoopback(url.hostname) ? undefined : 'must be https: http is for loopback only'
  if (application === 'web') return 'must be https: other schemes are for application_type: native'
  return DANGEROUS.has(url.protocol) ? 'must not use this scheme' : undefined
}

function httpsProblem(url: URL, application: 'web' | 'native'): string | undefined {
  // RFC 8252, section 7.3: an app on loopback has no certificate.
  return application === 'native' && isLoopback(url.hostname) ? 'must be http on loopback' : undefined
}
