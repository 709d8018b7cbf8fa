import { MINUTE } from '../kernel/clock.ts'
import type { Sealer } from '../kernel/secrets.ts'
import { type RecoveryCodes, standInsFor } from '../mfa/factors/recovery.ts'
import type { Registry } from '../mfa/factors/registry.ts'
import type { Decider } from '../mfa/policy/decider.ts'
import type { EnrolmentGuard } from '../mfa/policy/steps.ts'
import { createRecords } from '../state/records.ts'
import type { StateStore } from '../state/store.ts'
import { hasBound } from './factors/own-factor.ts'
import type { ActionOutcome, Section, SubPage, Visitor } from './section.ts'

export interface RecoveryDependencies {
  codes: RecoveryCodes
  authenticators: Pick<Registry, 'get' | 'list'>
  decider: Pick<Decider, 'lookup'>
  state: StateStore
  sealer: Sealer
}

/** A new set of codes, for as long as its page may be looked at. */
interface ShownCodes {
  codes: string[]
  accountId: string
  /** Hash of the browser's own secret. */
  browser: string
}

const PAGE = 'recovery-codes'
/** Long enough to reload the page, and to print it. */
const SHOWN_FOR = 2 * MINUTE
/** With so few codes left, the page suggests a new set (RC-6). */
const FEW = 3

/**
 * Recovery codes, for the day on which everything else is lost: shows how many are left, and makes a new set (RC-1,
 * RC-4). `count`: how many codes a set has; 0 switches them off.
 */
export function createRecoverySection(
  { count, guard }: { count: number; guard: EnrolmentGuard },
  dependencies: RecoveryDependencies,
): Section {
  const { codes, authenticators, decider } = dependencies
  const shown = createRecords<ShownCodes>('recovery-codes-shown', dependencies)
  const idOf = ({ account, session }: Visitor): string => JSON.stringify([account.id, session.uid])

  const replaceable = new Set(standInsFor(authenticators.list(), decider.lookup))
  /** Only to somebody who has a second factor that a code can stand in for, because it is worth as much (FB-1). */
  const offered = (visitor: Visitor): boolean =>
    count > 0 &&
    visitor.bindings.some(({ type }) => replaceable.has(type)) &&
    // Under that guard an administrator opens the way to the first authenticator, and a code is worth as much as one.
    (guard !== 'bypass' || hasBound(visitor, authenticators))

  async function renew(visitor: Visitor): Promise<ActionOutcome> {
    const { account, ip, userAgent, browser } = visitor
    if (!offered(visitor)) return { error: { code: 'bad-request' } }
    const made = await codes.renew(account, { ip, browser: userAgent })
    await shown.set(idOf(visitor), { codes: made, accountId: account.id, browser }, SHOWN_FOR)
    return { to: `/account/${PAGE}` }
  }

  const page: SubPage = {
    name: PAGE,
    view: `pages/${PAGE}`,
    // Whoever had the codes made had a fresh second factor a moment ago, in this session and this browser.
    open: true,
    async show(visitor) {
      const found = (await shown.get(idOf(visitor)))?.value
      const own = found?.accountId === visitor.account.id && found.browser === visitor.browser
      return own ? { codes: found.codes } : undefined
    },
    async post(visitor) {
      await shown.delete(idOf(visitor))
      return { to: '/account' }
    },
  }

  return {
    name: 'recovery',
    async show(visitor) {
      if (!offered(visitor)) return undefined
      const left = codes.left(visitor.bindings)
      const used = visitor.session.proofs.some(({ method }) => authenticators.get(method)?.fallback !== undefined)
      return { left, few: left > 0 && left <= FEW, used }
    },
    actions: { recovery: { act: renew } },
    pages: { [PAGE]: page },
  }
}
