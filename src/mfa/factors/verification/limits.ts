import { DAY, HOUR } from '../../../kernel/clock.ts'
import type { Limit } from '../../../state/allowance.ts'
import type { Attempt } from '../verifier.ts'

/**
 * How often one-time codes may be tried (RL-1, RL-2). All types of authenticator share the first three limits; the last
 * one is per type.
 */
export interface VerifierOptions {
  /** Wrong answers in one interaction, over all its challenges. */
  perInteraction: number
  perHour: number
  perDay: number
  /** Failures in a row after which a type is locked until an administrator acts; this count is durable. */
  inARow: number
  /** How long an interaction may last, in milliseconds. */
  interaction: number
}

/** What an answer is counted under before it is judged; nothing for binding, where the key is on the page. */
export function limitsOf(attempt: Attempt, options: Omit<VerifierOptions, 'inARow'>): Limit[] {
  if (attempt.ceremony === 'bind') return []
  const { id } = attempt.context.account
  const { perInteraction, perHour, perDay, interaction } = options
  return [
    { name: 'otp-interaction', count: perInteraction, window: interaction, of: [attempt.interaction, id] },
    { name: 'otp-hour', count: perHour, window: HOUR, of: [id] },
    { name: 'otp-day', count: perDay, window: DAY, of: [id] },
  ]
}

/** How often a challenge may be sent to this account, whatever the browser and the interaction (C4, EM-7). */
export function sendLimitsOf(attempt: Attempt, caps: { perHour: number; perDay: number }): Limit[] {
  const of = [attempt.context.account.id, attempt.type]
  return [
    { name: 'sends-hour', count: caps.perHour, window: HOUR, of },
    { name: 'sends-day', count: caps.perDay, window: DAY, of },
  ]
}
