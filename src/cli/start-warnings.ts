import type { Installation } from '../app/installation.ts'
import { warningsOf } from '../config/checks/warnings.ts'
import { BLOCKS } from '../mfa/factors/registry.ts'
import { accountsWithoutFactor } from './reachability.ts'

/** How many names one line of the log lists; `check` shows as many. */
const SHOWN_NAMES = 10

/** Why MFA is off after an import or an upgrade, and how to turn it on (A10). */
export const NEVER_ANSWERED =
  'there were accounts before anybody answered whether a second factor is needed; mfa.enabled: true in the file turns it on'

/**
 * Logs what works and is unwise: weak settings, a Redis that evicts (FA-2), accounts without an address (C6). Never
 * stops the start.
 */
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
