import { MINUTE } from '../kernel/clock.ts'
import type { Sealer } from '../kernel/secrets.ts'
import { type RecoveryCodes, standInsFor } from '../mfa/factors/recovery.ts'
import type { Registry } from '../mfa/factors/registry.ts'
import type { Decider } from '../mfa/policy/decider.ts'
import type { EnrolmentGuard } from '../mfa/policy/steps.ts'
import { createRecords } from '../state/records.ts'
import type { StateStore } from '../state/store.ts'
import { hasBound } from './factors.ts'
import type { ActionOutcome, Section, SubPage, Visitor } from './section.ts'

export interface RecoveryDependencies {
  codes: RecoveryCodes
  authenticators: Pick<Registry, 'get' | 'list'>
  decider: Pick<Decider, 'lookup'>
  state: StateStore
  sealer: Sealer
}

/** A new set, for as long as its page may be looked at. */
interface ShownCodes {
  codes: string[]
  accountId: string
  /** Hash of the browser's own secret. */
  browser: string
}

const PAGE = 'recovery-codes'
/** Long enough for a reload, and for a printer. */
const SHOWN_FOR = 2 * MINUTE
/** RC-6: time for new ones. */
const FEW = 3

/** The codes for the day on which everything else is lost: how many are left, and a new set (RC-1, RC-4). `count`: of a set; 0: off. */
export function createRecoverySection(
  { count, guard }: { count: number; guard: EnrolmentGuard },
  dependencies: RecoveryDependencies,
): Section {
  const { codes, authenticators, decider } = dependencies
  const shown = createRecords<ShownCodes>('recovery-codes-shown', dependencies)
  const idOf = ({ account, session }: Visitor): string => JSON.stringify([account.id, session.uid])

  const replaceable = new Set(standInsFor(authenticators.list(), decider.lookup))
  /** Somebody without a second factor that is worth as much has nothing that a code could stand in for (FB-1). */
  const offered = (visitor: Visitor): boolean =>
    count > 0 &&
    visitor.bindings.some(({ type }) => replaceable.has(type)) &&
    // A code is worth an authenticator, whose first binding an administrator opens there.
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
    // Whoever had them made proved it a moment ago, in this session and this browser.
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
