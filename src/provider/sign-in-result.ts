import type { KoaContextWithOIDC } from 'oidc-provider'
import type { SessionProofs } from '../mfa/session/session-proofs.ts'

/** What the pages hand over when a sign-in is finished. */
export interface SignInResult {
  login?: { accountId: string; acr: string; amr: string[]; ts: number; remember: boolean; fresh?: boolean }
  /** What the session proves from now on. */
  proofs?: SessionProofs
  /** When the pages of this request began, in milliseconds since the epoch: proofs given since then are fresh. */
  asOf?: number
  /** The `mfa` prompt was answered once in this request; a second round never follows. */
  stepUp?: true
}

/**
 * What the pages have handed over to this request; undefined: nothing, because it has shown none or none is finished.
 */
export function resultIn(ctx: KoaContextWithOIDC): SignInResult | undefined {
  return ctx.oidc.result as SignInResult | undefined
}
