import type { Mail } from '../kernel/mail.ts'

/** Names of events, in the past tense of the field (LG-1); what each says stands in events.ts. */
export type AuditEventName =
  | 'login.ok'
  | 'login.fail'
  | 'login.throttled'
  | 'password.changed'
  | 'password.rehashed'
  | 'otp.sent'
  | 'otp.ok'
  | 'otp.fail'
  | 'otp.replay'
  | 'otp.locked'
  | 'factor.added'
  | 'factor.postponed'
  | 'factor.removed'
  | 'factor.admin_reset'
  | 'email.verified'
  | 'email.change.done'
  | 'device.trusted'
  | 'device.used'
  | 'device.revoked'
  | 'device.reuse_detected'
  | 'session.created'
  | 'session.ended'
  | 'step_up.required'
  | 'step_up.ok'
  | 'step_up.fail'
  | 'consent.granted'
  | 'code.replay'
  | 'recovery.used'
  | 'recovery.regenerated'
  | 'bypass.issued'
  | 'bypass.used'
  | 'factor.unlocked'
  | 'factor.shown'
  | 'factor.renamed'
  | 'password.reset.requested'
  | 'password.reset.done'
  | 'email.change.requested'
  | 'session.disowned'
  | 'setup.answered'
  | 'setup.done'
  | 'key.rotated'
  | 'clock.wrong'
  | 'mail.sent'
  | 'mail.given_up'
  | 'refresh.reuse_detected'
  | 'client.auth.fail'
  | 'csrf.rejected'
  | 'host.rejected'
  | 'logout'
  | 'backchannel.ok'
  | 'backchannel.fail'
  | 'user.created'
  | 'user.changed'
  | 'user.disabled'
  | 'user.enabled'
  | 'user.deleted'
  | 'admin.command'
  | 'decrypt.fail'
  | 'config.loaded'
  | 'store.unavailable'

/** One thing that happened. `details` never holds a secret, a code or what somebody typed (LG-2, LG-3). */
export interface AuditEvent {
  event: AuditEventName
  outcome: 'ok' | 'fail'
  account?: string | undefined
  client?: string | undefined
  ip?: string | undefined
  interaction?: string | undefined
  details?: Record<string, string | number | boolean | string[] | undefined>
}

/** What is written with a change of an account or a factor, in the change's own transaction or not at all (LG-4). */
export interface Change extends AuditEvent {
  /** Letters about it: they wait in the outbox and go out once it is committed (FB-8, FA-11). */
  mails?: readonly Mail[]
}

/** An event as it is stored. */
export interface AuditRecord extends AuditEvent {
  id: string
  /** Milliseconds since the epoch. */
  time: number
}

export interface AuditStore {
  /** Throws when it cannot be written. */
  append(events: AuditRecord[]): Promise<void>
  /** Oldest first, unless `order` is given. `events`: only these. */
  list(query: {
    account?: string
    events?: readonly AuditEventName[]
    since?: number
    after?: string
    order?: 'newest'
    limit?: number
  }): Promise<AuditRecord[]>
}

/** Sign-in events: queued, bounded, never in the way of a sign-in; what is dropped is counted and logged. */
export interface AuditTrail {
  record(event: AuditEvent): void
  /** Waits until what is queued is written, as far as it can be. */
  flush(): Promise<void>
  /** Events lost since start. */
  readonly dropped: number
}
