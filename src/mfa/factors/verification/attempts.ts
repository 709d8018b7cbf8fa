import type { Authenticator, Ceremony, Refusal, RefusalReason } from '../authenticator.ts'
import type { Attempt } from '../verifier.ts'

/** The authenticator that an attempt is about, and which of its two ceremonies is tried. */
export interface CeremonyOf {
  authenticator: Authenticator
  ceremony: Ceremony
}

/** Whom and what an audit event of this attempt is about. */
export function partiesOf(attempt: Attempt): {
  account: string
  client: string | undefined
  ip: string
  interaction: string
} {
  const { client, interaction, context } = attempt
  return { account: context.account.id, client, ip: context.request.ip, interaction }
}

export function refuse(reason: RefusalReason): Refusal {
  return { ok: false, reason }
}
