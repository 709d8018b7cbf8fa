import { setTimeout as pause } from 'node:timers/promises'
import type { AuditTrail } from '../../audit/audit.ts'
import { type Clock, DAY, HOUR, SECOND } from '../../kernel/clock.ts'
import { randomToken, type Sealer } from '../../kernel/secrets.ts'
import { type Limit, spend } from '../../state/allowance.ts'
import { createRecords, type Versioned } from '../../state/records.ts'
import type { StateStore } from '../../state/store.ts'
import type { Authenticator, Ceremony, Refusal } from './authenticator.ts'
import type { BindingStore } from './binding-store.ts'
import type { Attempt, Begun } from './verifier.ts'

/** What an attempt's type stands for: the authenticator and its half in question. */
export interface CeremonyOf {
  authenticator: Authenticator
  ceremony: Ceremony
}

/** A challenge as it is kept, and what it was made for (EM-5, FB-9). */
export interface KeptChallenge {
  /** Names this one challenge among those of its interaction. */
  id: string
  /** `spent`: used, or dead after too many wrong answers. */
  state: 'making' | 'open' | 'spent'
  challenge?: unknown
  browser: string
  passwordEpoch: number
  factorEpoch: number
  /** Milliseconds since the epoch. */
  madeAt: number
  expiresAt: number
  /** How many were made on the user's wish before this one. */
  renewals: number
}

export interface Challenges {
  /** The running one, or a new one where there was none; parallel callers get the same. */
  begin(attempt: Attempt, half: CeremonyOf): Promise<Begun | Refusal>
  /** A new one in place of the old. */
  renew(attempt: Attempt, half: CeremonyOf): Promise<Begun | Refusal>
  /** The one that may be answered in this attempt now; undefined when there is none, or not for this browser and account. */
  open(attempt: Attempt): Promise<Versioned<KeptChallenge> | undefined>
  /** True for the one caller that ends it; nobody answers it afterwards (EM-6). */
  spend(attempt: Attempt, found: Versioned<KeptChallenge>): Promise<boolean>
}

/** Longer than a mail server is given. A process that died while making leaves no more than this behind. */
const MAKING_TTL = 30 * SECOND
const MAKING_POLL = 50
/** A dead challenge is remembered, so that showing the page again does not make another. */
const REMEMBERED = HOUR
/** New keys to scan after too many wrong answers: nothing is sent, so there is nothing to wait for. */
const UNSENT = { after: 0, perInteraction: 3 }

export function createChallenges(
  options: { interaction: number },
  dependencies: { state: StateStore; sealer: Sealer; bindings: BindingStore; trail: AuditTrail; clock: Clock },
): Challenges {
  const { state, bindings, trail, clock } = dependencies
  const kept = createRecords<KeptChallenge>('challenge', dependencies)

  async function show(attempt: Attempt, half: CeremonyOf, record: KeptChallenge): Promise<Begun | Refusal> {
    if (!isOpen(record, attempt, clock.now())) return { ok: false, reason: 'expired' }
    const { resend } = half.authenticator
    return {
      ok: true,
      show: await half.ceremony.show(record.challenge, attempt.context),
      expiresAt: record.expiresAt,
      resendAt: resend && record.renewals < resend.perInteraction ? record.madeAt + resend.after : undefined,
    }
  }

  /** The caller holds the place: its record says `making`. `undo` gives the place up again. */
  async function make(
    attempt: Attempt,
    half: CeremonyOf,
    place: { making: KeptChallenge; undo: () => Promise<void> },
  ): Promise<Begun | Refusal> {
    try {
      const begun = await send(attempt, half)
      if (!begun.ok) {
        await place.undo()
        return begun
      }
      const record: KeptChallenge = { ...place.making, state: 'open', challenge: begun.challenge }
      await kept.set(idOf(attempt), record, half.authenticator.challenge.ttl + REMEMBERED)
      return show(attempt, half, record)
    } catch (error) {
      await place.undo().catch(() => undefined)
      throw error
    }
  }

  async function send(attempt: Attempt, { authenticator, ceremony }: CeremonyOf): ReturnType<Ceremony['begin']> {
    const { account } = attempt.context
    const own = (await bindings.list(account.id)).filter((binding) => binding.type === attempt.type)
    const { resend } = authenticator
    if (resend === undefined) return ceremony.begin(own, attempt.context)
    const spent = await spend(sendLimits(attempt, resend), state)
    if (!spent.ok) return { ok: false, reason: 'throttled', retryAfter: spent.wait }
    const begun = await ceremony.begin(own, attempt.context)
    if (!begun.ok) await spent.giveBack()
    trail.record({
      event: 'otp.sent',
      outcome: begun.ok ? 'ok' : 'fail',
      ...partiesOf(attempt),
      details: { factor: attempt.type, reason: begun.ok ? undefined : begun.reason },
    })
    return begun
  }

  function making(attempt: Attempt, half: CeremonyOf, renewals: number): KeptChallenge {
    const { account } = attempt.context
    const now = clock.now()
    return {
      id: randomToken(16),
      state: 'making',
      browser: attempt.browser,
      passwordEpoch: account.passwordEpoch,
      factorEpoch: account.factorEpoch,
      madeAt: now,
      expiresAt: now + half.authenticator.challenge.ttl,
      renewals,
    }
  }

  async function begin(attempt: Attempt, half: CeremonyOf): Promise<Begun | Refusal> {
    const id = idOf(attempt)
    for (let waited = 0; waited <= MAKING_TTL; ) {
      const found = await kept.get(id)
      if (found === undefined) {
        const place = making(attempt, half, 0)
        if (await kept.add(id, place, MAKING_TTL)) {
          return make(attempt, half, { making: place, undo: () => kept.delete(id) })
        }
      } else if (found.value.state !== 'making' || !belongs(found.value, attempt)) {
        return show(attempt, half, found.value)
      }
      await pause(MAKING_POLL)
      waited += MAKING_POLL
    }
    return { ok: false, reason: 'expired' }
  }

  return {
    begin,
    async renew(attempt, half) {
      const found = await kept.get(idOf(attempt))
      if (found === undefined || found.value.state === 'making') return begin(attempt, half)
      const old = found.value
      if (old.browser !== attempt.browser) return { ok: false, reason: 'expired' }
      const { resend } = half.authenticator
      if (resend === undefined && isOpen(old, attempt, clock.now())) return show(attempt, half, old)
      const { after, perInteraction } = resend ?? UNSENT
      if (old.renewals >= perInteraction) return { ok: false, reason: 'throttled', retryAfter: options.interaction }
      const wait = old.madeAt + after - clock.now()
      if (wait > 0) return { ok: false, reason: 'throttled', retryAfter: wait }
      const place = making(attempt, half, old.renewals + 1)
      if (!(await kept.replace(idOf(attempt), found.version, place, MAKING_TTL))) return begin(attempt, half)
      // A mail that could not be sent leaves the code that was sent before it alone.
      const undo = (): Promise<void> =>
        kept.set(idOf(attempt), old, Math.max(1, old.expiresAt - clock.now()) + REMEMBERED)
      return make(attempt, half, { making: place, undo })
    },
    async open(attempt) {
      const found = await kept.get(idOf(attempt))
      return found !== undefined && isOpen(found.value, attempt, clock.now()) ? found : undefined
    },
    spend(attempt, found) {
      const { challenge: _, ...rest } = found.value
      return kept.replace(idOf(attempt), found.version, { ...rest, state: 'spent' }, REMEMBERED)
    },
  }
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

/** Per account, whatever the browser and the interaction (C4, EM-7). */
function sendLimits(attempt: Attempt, caps: { perHour: number; perDay: number }): Limit[] {
  const of = [attempt.context.account.id, attempt.type]
  return [
    { name: 'sends-hour', count: caps.perHour, window: HOUR, of },
    { name: 'sends-day', count: caps.perDay, window: DAY, of },
  ]
}

/** The account belongs to the name: one interaction may see two people try, and neither finds the other's challenge. */
function idOf(attempt: Attempt): string {
  return JSON.stringify([attempt.interaction, attempt.ceremony, attempt.type, attempt.context.account.id])
}

function belongs(record: KeptChallenge, { browser, context: { account } }: Attempt): boolean {
  return (
    record.browser === browser &&
    record.passwordEpoch === account.passwordEpoch &&
    record.factorEpoch === account.factorEpoch
  )
}

function isOpen(record: KeptChallenge, attempt: Attempt, now: number): boolean {
  return record.state === 'open' && belongs(record, attempt) && now < record.expiresAt
}
