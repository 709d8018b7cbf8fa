import type { Installation } from '../app/installation.ts'
import { warningsOf } from '../config/checks/warnings.ts'
import { BLOCKS } from '../mfa/factors/registry.ts'
import { accountsWithoutFactor } from './reachability.ts'

/** Names in one line of the log; `check` shows as many. */
const SHOWN_NAMES = 10

/** A10: how an import or an upgrade comes to have MFA off, and how that ends. */
export const NEVER_ANSWERED =
  'there were accounts before anybody answered whether a second factor is needed; mfa.enabled: true in the file turns it on'

/** Says what works and will hurt: weak settings, a Redis that evicts (FA-2), accounts that no mail can reach (C6). Never stops the start. */
export async function warnAtStart(installation: Installation): Promise<void> {
  const { config, log } = installation
  for (const { key, reason } of warningsOf(config, { blocks: BLOCKS }))
    log.warn('a setting deserves a thought', { key, reason })
  if (installation.setupDecision.from === 'accounts') log.warn(`multi-factor authentication is off: ${NEVER_ANSWERED}`)
  await Promise.allSettled([warnAboutEviction(installation), warnAboutAddresses(installation)])
}

async function warnAboutEviction({ state, log }: Installation): Promise<void> {
  if (!('evictionPolicy' in state)) return
  const policy = await state.evictionPolicy()
  if (policy !== 'noeviction') log.error('redis may evict counters and used codes: set noeviction', { policy })
}

async function warnAboutAddresses(installation: Installation): Promise<void> {
  const names = (await accountsWithoutFactor(installation)).map(({ username }) => username)
  if (names.length === 0) return
  installation.log.warn('accounts without an address cannot sign in', {
    count: names.length,
    users: names.slice(0, SHOWN_NAMES),
  })
}
