import type { AccountAdmin } from '../../../accounts/account-store.ts'
import type { Change } from '../../../audit/audit.ts'
import { randomToken } from '../../../kernel/secrets.ts'
import type { Refusal, SideEffect } from '../authenticator.ts'
import type { Binding, BindingStore } from '../binding-store.ts'
import type { Attempt } from '../verifier.ts'
import { type CeremonyOf, partiesOf, refuse } from './attempts.ts'
import type { RightAnswer } from './judging.ts'
import type { AttemptReports } from './reports.ts'

/** Writes what a right answer changes. */
export interface Keeper {
  /** Whether a binding was made; a refusal when another answer was faster or there is no room for another binding. */
  keep(
    attempt: Attempt,
    chosen: CeremonyOf,
    success: { answer: RightAnswer; label: string | undefined },
  ): Promise<boolean | Refusal>
  /** Marks the address as verified if it is still the one that was proved. Whether that changed the account. */
  verifyAddress(attempt: Attempt, address: string | undefined): Promise<boolean>
}

export function createKeeper(dependencies: {
  bindings: BindingStore
  accounts: Pick<AccountAdmin, 'update'>
  reports: AttemptReports
}): Keeper {
  const { bindings, accounts, reports } = dependencies

  /** The audit row of a use that has an effect of its own; as `ends`, remembered devices end with it. */
  function changesOf(attempt: Attempt, effect: SideEffect): { audit: Change } | { ends: Change } {
    const { event, notice, details, ends } = effect
    const change: Change = {
      event,
      outcome: 'ok',
      ...partiesOf(attempt),
      details: { factor: attempt.type, ...details },
      ...(notice !== undefined && { mails: reports.mailsOf(notice, attempt) }),
    }
    return ends === undefined ? { audit: change } : { ends: change }
  }

  /** Compare-and-set: of two answers that were right at the same time, one is written. */
  function update(attempt: Attempt, used: Binding, { record, sideEffect }: RightAnswer): Promise<boolean> {
    return bindings.replace(used.id, used.version, {
      record,
      lastUsedAt: attempt.context.now,
      ...(sideEffect && changesOf(attempt, sideEffect)),
    })
  }

  function insert(attempt: Attempt, maxOfType: number, bound: Pick<Binding, 'label' | 'record'>): Promise<boolean> {
    const { account, now } = attempt.context
    const binding = { id: randomToken(16), accountId: account.id, type: attempt.type, ...bound, boundAt: now }
    const details = { factor: attempt.type, ceremony: attempt.ceremony }
    const mails = reports.mailsOf('factor-added', attempt, bound.label)
    const audit = { event: 'factor.added', outcome: 'ok', ...partiesOf(attempt), details, mails } as const
    return bindings.insert(binding, { maxOfType, audit, endsSignIns: attempt.endsSignIns })
  }

  return {
    async keep(attempt, chosen, { answer, label }) {
      if (answer.binding !== undefined) {
        const written = await update(attempt, answer.binding, answer)
        return written ? false : reports.refused(attempt, refuse('replayed'))
      }
      if (await insert(attempt, chosen.authenticator.maxPerAccount, { label, record: answer.record })) return true
      // A parallel first verification has bound it: what was proved here is as good.
      return attempt.ceremony === 'verify' ? false : refuse('unusable')
    },
    async verifyAddress(attempt, address) {
      const { account } = attempt.context
      if (address === undefined || account.emailVerified || account.email !== address) return false
      const audit = { event: 'email.verified', outcome: 'ok', ...partiesOf(attempt) } as const
      await accounts.update(account.id, { verifiedEmail: address }, audit)
      return true
    },
  }
}
