import type { ParsedUrlQuery } from 'node:querystring'

/**
 * What the account page can say after a change. Each has its words below `account.done` in the texts; the address of
 * the page can name one of these and nothing else.
 */
const NOTICES: ReadonlySet<string> = new Set([
  'confirmed',
  'factor-added',
  'factor-bound',
  'factor-renamed',
  'factor-removed',
  'device-forgotten',
  'devices-forgotten',
  'session-ended',
  'sessions-ended',
  'password-changed',
  'address-changed',
  'language-changed',
])

/** A notice, and the section in which it is said: the one to which the browser scrolls. */
export interface Notice {
  notice: string
  section: unknown
}

/** The notice that an address asks for, if it is one of ours. */
export function noticeIn({ done, at }: ParsedUrlQuery): Notice | undefined {
  return typeof done === 'string' && NOTICES.has(done) ? { notice: done, section: at } : undefined
}

/** The address of the account page with a notice: `/account#factors` → `/account?done=KEY&at=factors#factors`. */
export function withNotice(to: string, notice: string): string {
  if (!NOTICES.has(notice)) throw new Error(`the account page cannot say ${notice}`)
  const [path = '', section] = to.split('#')
  return `${path}?done=${notice}${section === undefined ? '' : `&at=${section}#${section}`}`
}
