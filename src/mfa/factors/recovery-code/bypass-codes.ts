import type { Clock } from '../../../kernel/clock.ts'
import type { Notices } from '../../../mail/notices.ts'
import type { BindingStore } from '../binding-store.ts'
import type { BypassCodes } from '../recovery.ts'
import { keep, newCode, spelled } from './code.ts'
import { indexesIn, put } from './records.ts'

export function createBypassCodes({
  bindings,
  notices,
  clock,
}: {
  bindings: BindingStore
  notices: Notices
  clock: Clock
}): BypassCodes {
  return {
    async issue(account, { ttl, audit }) {
      const now = clock.now()
      const code = newCode(indexesIn(await bindings.list(account.id)))
      const expiresAt = now + ttl
      const mails = notices.of('bypass-issued', account, { time: now })
      await put(
        account,
        { kind: 'bypass', expiresAt, ...(await keep(code)) },
        { bindings, now, change: { ...audit, mails } },
      )
      return { code: spelled(code), expiresAt }
    },
  }
}
