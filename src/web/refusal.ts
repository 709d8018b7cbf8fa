import type { Refusal, RefusalReason } from '../mfa/factors/authenticator.ts'
import type { PageError } from '../views/pages.ts'

/** What pages say of a refusal: the same words for a wrong and a replayed code, and poor ones for the rest. */
const PROBLEM: Record<RefusalReason, PageError['code']> = {
  mismatch: 'code',
  replayed: 'code',
  expired: 'expired',
  clock: 'clock',
  throttled: 'throttled',
  locked: 'locked',
  mail: 'mail',
  'no-address': 'no-address',
  unusable: 'expired',
}

/** What a page says of a ceremony that was refused: several reasons share its words. */
export function problemOf({ reason, retryAfter, minutes }: Refusal): PageError {
  return {
    code: PROBLEM[reason],
    ...(retryAfter !== undefined && { retryAfter }),
    ...(minutes !== undefined && { minutes }),
  }
}
