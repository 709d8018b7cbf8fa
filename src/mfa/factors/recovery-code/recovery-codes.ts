import type { Clock } from '../../../kernel/clock.ts'
import type { Notices } from '../../../mail/notices.ts'
import type { BindingStore } from '../binding-store.ts'
import type { RecoveryCodes } from '../recovery.ts'
import { indexOf, keep, newCode, spelled } from './code.ts'
import { bypassIn, codesIn, put } from './records.ts'

/** `count`: of a set; 0: there are none. */
export function createRecoveryCodes(
  { count }: { count: number },
  { bindings, notices, clock }: { bindings: BindingStore; notices: Notices; clock: Clock },
): RecoveryCodes {
  return {
    async renew(account, { ip, browser }) {
      const now = clock.now()
      const bypass = bypassIn(await bindings.list(account.id))
      const taken = new Set(bypass === undefined ? [] : [bypass.index])
      const codes = Array.from({ length: count }, () => {
        const code = newCode(taken)
        taken.add(indexOf(code))
        return code
      })
      await put(
        account,
        { kind: 'codes', codes: await Promise.all(codes.map(keep)) },
        {
          bindings,
          now,
          change: {
            event: 'recovery.regenerated',
            outcome: 'ok',
            account: account.id,
            ip,
            details: { codes: count },
            mails: notices.of('recovery-new', account, { time: now, ip, browser }),
          },
        },
      )
      return codes.map(spelled)
    },
    left: (own) => (count === 0 ? 0 : codesIn(own).filter(({ usedAt }) => usedAt === undefined).length),
  }
}
