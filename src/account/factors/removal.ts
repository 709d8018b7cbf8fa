import type { Clock } from '../../kernel/clock.ts'
import { RequestError } from '../../kernel/errors.ts'
import type { Notices } from '../../mail/notices.ts'
import type { Binding, BindingStore } from '../../mfa/factors/binding-store.ts'
import type { Registry } from '../../mfa/factors/registry.ts'
import type { Decider } from '../../mfa/policy/decider.ts'
import type { SessionProofRecords } from '../../mfa/session/session-proofs.ts'
import type { Sessions } from '../../mfa/session/sessions.ts'
import { endOtherSessions } from '../kept-session.ts'
import type { Action, ActionOutcome, Visitor } from '../section.ts'
import { factorChange } from './factor-change.ts'
import { ownFactor } from './own-factor.ts'

export interface RemovalDependencies {
  bindings: Pick<BindingStore, 'remove'>
  authenticators: Pick<Registry, 'get'>
  decider: Pick<Decider, 'needs' | 'lookup'>
  notices: Notices
  clock: Clock
  sessions: Pick<Sessions, 'endAll'>
  sessionProofs: SessionProofRecords
}

/**
 * The visitor removes one of their factors. The last one of those that policy asks for stays (FB-7); all other
 * sessions end (FB-9); and recovery codes that could only stand in for this factor go with it.
 */
export function createRemoval(dependencies: RemovalDependencies): Action {
  const { bindings, authenticators, decider } = dependencies
  return {
    async act(visitor, form): Promise<ActionOutcome> {
      const { account } = visitor
      const factor = ownFactor(visitor, form, authenticators)
      const audit = factorChange(visitor, factor, { event: 'factor.removed', notice: 'factor-removed' }, dependencies)
      const keep = listsToKeep(visitor, decider.needs(account), authenticators)
      const removed = await bindings.remove(account.id, factor.id, { audit, keep, endsSignIns: true })
      if (removed === 'not-theirs') throw new RequestError('not-found')
      if (removed === 'last') return { error: { code: 'last-factor' } }
      for (const codes of uselessReserves(visitor, factor, dependencies)) {
        const change = factorChange(visitor, codes, { event: 'factor.removed' }, dependencies)
        await bindings.remove(account.id, codes.id, { audit: change, keep: [] })
      }
      await endOtherSessions(visitor, 'factors', dependencies)
      return { to: '/account#factors', notice: 'factor-removed' }
    },
  }
}

/**
 * Of the lists of types that policy needs: those that only bound factors satisfy, and that the visitor's satisfy now
 * (FB-7).
 */
function listsToKeep(
  { account, bindings }: Visitor,
  needed: readonly string[][],
  authenticators: Pick<Registry, 'get'>,
): string[][] {
  return needed
    .filter((types) => !types.some((type) => authenticators.get(type)?.usableUnbound(account)))
    .filter((types) => bindings.some(({ type }) => types.includes(type)))
}

/**
 * Recovery codes that nothing is left for once this factor is gone: alone, they would keep out an owner who has lost
 * the codes too.
 */
function uselessReserves(
  { bindings }: Visitor,
  removed: Binding,
  { authenticators, decider }: Pick<RemovalDependencies, 'authenticators' | 'decider'>,
): Binding[] {
  const isReserve = ({ type }: Binding): boolean => authenticators.get(type)?.fallback !== undefined
  const usable = bindings.filter((other) => other !== removed && decider.lookup(other.type) !== undefined)
  return usable.some((other) => !isReserve(other)) ? [] : bindings.filter(isReserve)
}
