import type { Account } from '../../../accounts/account.ts'
import type { AuditTrail } from '../../../audit/audit.ts'
import type { Clock } from '../../../kernel/clock.ts'
import type { Sealer } from '../../../kernel/secrets.ts'
import type { NoticeKind } from '../../../mail/notices.ts'
import type { StateStore } from '../../../state/store.ts'
import type { Origin } from '../remembered-device.ts'

export interface RememberedDevicesDependencies {
  state: StateStore
  sealer: Sealer
  trail: AuditTrail
  clock: Clock
  /** Tells the owner what happened in this browser; resolves when the mail cannot get lost any more. */
  notify(kind: DeviceNotice, account: Account, request: Origin): Promise<void>
}

/** A browser is remembered; a copy of its cookie was used. */
type DeviceNotice = Extract<NoticeKind, 'device-remembered' | 'device-copied'>
