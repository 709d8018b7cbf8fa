import { setTimeout as pause } from 'node:timers/promises'
import type { AuditTrail } from '../../../audit/audit.ts'
import { type Clock, HOUR, SECOND } from '../../../kernel/clock.ts'
import type { Sealer } from '../../../kernel/secrets.ts'
import { createRecords, type Versioned } from '../../../state/records.ts'
import type { StateStore } from '../../../state/store.ts'
import type { Refusal } from '../authenticator.ts'
import type { BindingStore } from '../binding-store.ts'
import type { Attempt, Begun } from '../verifier.ts'
import { type CeremonyOf, refuse } from './attempts.ts'
import { belongsTo, challengeIdOf, isOpen, type KeptChallenge, reservationOf } from './challenge-record.ts'
import { makeChallenge } from './challenge-sending.ts'

export interface Challenges {
  /** The running one, or a new one where there was none; parallel callers get the same. */
  begin(attempt: Attempt, chosen: CeremonyOf): Promise<Begun | Refusal>
  /** A new one in place of the old. */
  renew(attempt: Attempt, chosen: CeremonyOf): Promise<Begun | Refusal>
  /** The one that may be answered in this attempt now; undefined when there is none for this browser and account. */
  open(attempt: Attempt): Promise<Versioned<KeptChallenge> | undefined>
  /** True for the one caller that ends it; nobody can answer it afterwards (EM-6). */
  spend(attempt: Attempt, found: Versioned<KeptChallenge>): Promise<boolean>
}

/**
 * Longer than a mail server is given to answer. A process that died while making one leaves no more than this behind.
 */
const MAKING_TTL = 30 * SECOND
const MAKING_POLL = 50
/** A dead challenge is remembered, so that showing the page again does not make another. */
const REMEMBERED = HOUR
/** For challenges that are not sent (new keys to scan after too many wrong answers): there is nothing to wait for. */
const UNSENT = { after: 0, perInteraction: 3 }

export function createChallenges(
  options: { interaction: number },
  dependencies: { state: StateStore; sealer: Sealer; bindings: BindingStore; trail: AuditTrail; clock: Clock },
): Challenges {
  const { clock } = dependencies
  const kept = createRecords<KeptChallenge>('challenge', dependencies)

  const reserved = (attempt: Attempt, chosen: CeremonyOf, renewals: number): KeptChallenge =>
    reservationOf(attempt, { now: clock.now(), ttl: chosen.authenticator.challenge.ttl }, renewals)

  /** The caller holds the place: its record says `making`. `undo` gives the place up again. */
  async function make(
    attempt: Attempt,
    chosen: CeremonyOf,
    place: { making: KeptChallenge; undo: () => Promise<void> },
  ): Promise<Begun | Refusal> {
    try {
      const begun = await makeChallenge(attempt, chosen, dependencies)
      if (!begun.ok) {
        await place.undo()
        return begun
      }
      const record: KeptChallenge = { ...place.making, state: 'open', challenge: begun.challenge }
      await kept.set(challengeIdOf(attempt), record, chosen.authenticator.challenge.ttl + REMEMBERED)
      return shown(attempt, chosen, record, clock.now())
    } catch (error) {
      await place.undo().catch(() => undefined)
      throw error
    }
  }

  async function begin(attempt: Attempt, chosen: CeremonyOf): Promise<Begun | Refusal> {
    const id = challengeIdOf(attempt)
    for (let waited = 0; waited <= MAKING_TTL; ) {
      const found = await kept.get(id)
      if (found === undefined) {
        const making = reserved(attempt, chosen, 0)
        if (await kept.add(id, making, MAKING_TTL)) {
          return make(attempt, chosen, { making, undo: () => kept.delete(id) })
        }
      } else if (found.value.state !== 'making' || !belongsTo(attempt, found.value)) {
        return shown(attempt, chosen, found.value, clock.now())
      }
      await pause(MAKING_POLL)
      waited += MAKING_POLL
    }
    return refuse('expired')
  }

  /** Takes the place of `old`, unless somebody else was faster: then theirs is the running one. */
  async function supersede(
    attempt: Attempt,
    chosen: CeremonyOf,
    { value: old, version }: Versioned<KeptChallenge>,
  ): Promise<Begun | Refusal> {
    const id = challengeIdOf(attempt)
    const making = reserved(attempt, chosen, old.renewals + 1)
    if (!(await kept.replace(id, version, making, MAKING_TTL))) return begin(attempt, chosen)
    // When the new code cannot be sent, the one that was sent before it stays good.
    const undo = (): Promise<void> => kept.set(id, old, Math.max(1, old.expiresAt - clock.now()) + REMEMBERED)
    return make(attempt, chosen, { making, undo })
  }

  return {
    begin,
    async renew(attempt, chosen) {
      const found = await kept.get(challengeIdOf(attempt))
      if (found === undefined || found.value.state === 'making') return begin(attempt, chosen)
      const old = found.value
      if (old.browser !== attempt.browser) return refuse('expired')
      const sent = chosen.authenticator.resend !== undefined
      if (!sent && isOpen(old, attempt, clock.now())) return shown(attempt, chosen, old, clock.now())
      return (
        tooEarly(old, chosen, { now: clock.now(), interaction: options.interaction }) ??
        supersede(attempt, chosen, found)
      )
    },
    async open(attempt) {
      const found = await kept.get(challengeIdOf(attempt))
      return found !== undefined && isOpen(found.value, attempt, clock.now()) ? found : undefined
    },
    spend(attempt, found) {
      const { challenge: _, ...rest } = found.value
      return kept.replace(challengeIdOf(attempt), found.version, { ...rest, state: 'spent' }, REMEMBERED)
    },
  }
}

/** What the page sees of a challenge, as long as it is open. */
async function shown(
  attempt: Attempt,
  { authenticator, ceremony }: CeremonyOf,
  record: KeptChallenge,
  now: number,
): Promise<Begun | Refusal> {
  if (!isOpen(record, attempt, now)) return refuse('expired')
  const { resend } = authenticator
  return {
    ok: true,
    show: await ceremony.show(record.challenge, attempt.context),
    expiresAt: record.expiresAt,
    resendAt: resend && record.renewals < resend.perInteraction ? record.madeAt + resend.after : undefined,
  }
}

/** Why no new challenge may be made in place of `old` yet, or in this interaction at all; undefined: it may. */
function tooEarly(
  old: KeptChallenge,
  { authenticator }: CeremonyOf,
  { now, interaction }: { now: number; interaction: number },
): Refusal | undefined {
  const { after, perInteraction } = authenticator.resend ?? UNSENT
  if (old.renewals >= perInteraction) return { ok: false, reason: 'throttled', retryAfter: interaction }
  const wait = old.madeAt + after - now
  return wait > 0 ? { ok: false, reason: 'throttled', retryAfter: wait } : undefined
}
