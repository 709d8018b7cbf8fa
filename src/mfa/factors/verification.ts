import type { Account } from '../../accounts/account.ts'
import type { AccountAdmin } from '../../accounts/account-store.ts'
import type { AuditEventName, AuditTrail, Change } from '../../audit/audit.ts'
import { type Clock, DAY, HOUR } from '../../kernel/clock.ts'
import type { Mail } from '../../kernel/mail.ts'
import { randomToken, type Sealer } from '../../kernel/secrets.ts'
import type { NoticeKind, Notices } from '../../mail/notices.ts'
import type { Outbox } from '../../mail/outbox.ts'
import { type Limit, spend, waitUntilRoom } from '../../state/allowance.ts'
import type { Versioned } from '../../state/records.ts'
import { keyOf, type StateStore } from '../../state/store.ts'
import type { Authenticator, Finished, Refusal, RefusalReason, SideEffect } from './authenticator.ts'
import type { Binding, BindingStore } from './binding-store.ts'
import { type CeremonyOf, createChallenges, type KeptChallenge, partiesOf } from './challenges.ts'
import type { Registry } from './registry.ts'
import type { Attempt, Proof, Verdict, Verifier } from './verifier.ts'

/** How often one-time codes may be tried (RL-1, RL-2). All types share the first three; the last is per type. */
export interface VerifierOptions {
  /** Wrong answers in one interaction, over all its challenges. */
  perInteraction: number
  perHour: number
  perDay: number
  /** Failures in a row after which a type is locked until an admin acts; durable. */
  inARow: number
  /** How long an interaction may last, in milliseconds. */
  interaction: number
}

export interface VerifierDependencies {
  state: StateStore
  sealer: Sealer
  bindings: BindingStore
  accounts: Pick<AccountAdmin, 'update'>
  authenticators: Registry
  trail: AuditTrail
  notices: Notices
  outbox: Pick<Outbox, 'add'>
  clock: Clock
}

const LABEL_LENGTH = 60
/** Wrong codes within an hour of which the owner is told: their password is known, or they cannot type (RL-10). */
const TOLD_FROM = 3

/** `giveBack`: what was right is no failure, and is not counted as one. */
type Right = Extract<Finished, { ok: true }> & { giveBack(): Promise<void> }
type Judged = Right | Refusal

/**
 * The promises of `Verifier`. Every answer to a verification is counted under the limits of the interaction, the hour and the day
 * and in the durable row of failures, in this order, before it is judged; only what is judged stays counted. A success gives its own
 * count back and ends the row of failures of its own type: failures of any type go on counting under the shared limits (RL-6), and
 * somebody who signs in all day is not throttled. A challenge has its own number of answers besides; binding has only that, for
 * there the key is on the page and nothing is to be guessed.
 */
export function createVerifier(options: VerifierOptions, dependencies: VerifierDependencies): Verifier {
  const { state, bindings, accounts, authenticators, trail, notices, outbox, clock } = dependencies
  const challenges = createChallenges({ interaction: options.interaction }, dependencies)

  function halfOf(attempt: Attempt): CeremonyOf | undefined {
    const authenticator = authenticators.get(attempt.type)
    const ceremony = authenticator?.[attempt.ceremony]
    return authenticator && ceremony && { authenticator, ceremony }
  }

  async function begin(attempt: Attempt): ReturnType<Verifier['begin']> {
    const half = halfOf(attempt)
    if (half === undefined) return refuse('unusable')
    if (!half.ceremony.challengeless) return challenges.begin(attempt, half)
    const expiresAt = clock.now() + half.authenticator.challenge.ttl
    return { ok: true, show: await half.ceremony.show(undefined, attempt.context), expiresAt, resendAt: undefined }
  }

  /** Counts, then judges; `finish` adds what a success changes. */
  async function judge(attempt: Attempt, half: CeremonyOf, given: Given): Promise<Judged> {
    const { authenticator, ceremony } = half
    const { challenge, own, code } = given
    const [answers, spent] = await Promise.all([
      challenge && state.increment(keyOf('challenge-answers', challenge.value.id), authenticator.challenge.ttl),
      spend(limitsOf(attempt, options), state),
    ])
    if (!spent.ok) return throttled(attempt, spent.wait)
    const { attempts } = authenticator.challenge
    if (answers !== undefined && answers > attempts) {
      await spent.giveBack()
      return refuse('expired')
    }
    const inARow =
      attempt.ceremony === 'verify' ? await bindings.countAttempt(attempt.context.account.id, attempt.type) : 0
    if (inARow > options.inARow) {
      await spent.giveBack()
      return locked(attempt)
    }
    const finished = await ceremony.finish({
      bindings: own,
      challenge: challenge?.value.challenge,
      code,
      context: attempt.context,
    })
    if (finished.ok) return { ...finished, giveBack: spent.giveBack }
    const dead = challenge !== undefined && answers !== undefined && answers >= attempts
    const ended = dead && challenges.spend(attempt, challenge)
    const [refusal] = await Promise.all([spoil(finished), ended, tellOfFailures(attempt)])
    failed(attempt, refusal.reason)
    if (inARow !== options.inARow) return refusal
    await outbox.add(mailsOf('factor-locked', attempt))
    return locked(attempt)
  }

  /** RL-10: a right password and wrong codes behind it; at most one letter an hour. */
  async function tellOfFailures(attempt: Attempt): Promise<void> {
    if (attempt.ceremony !== 'verify') return
    const { id } = attempt.context.account
    if ((await state.increment(keyOf('wrong-codes', id), HOUR)) < TOLD_FROM) return
    const told = keyOf('wrong-codes-told', id)
    if (!(await state.add(told, '1', HOUR))) return
    try {
      await outbox.add(mailsOf('sign-in-failed', attempt))
    } catch (error) {
      await state.delete(told)
      throw error
    }
  }

  function mailsOf(kind: NoticeKind, attempt: Attempt, subject?: string): Mail[] {
    const { account, now, request, locale } = attempt.context
    const facts = { time: now, ip: request.ip, browser: request.userAgent, factor: attempt.type, subject }
    return notices.of(kind, { ...account, locale: account.locale ?? locale }, facts)
  }

  /** Writes what a refused code has used up; a hint that cannot be paid for is not given. */
  async function spoil(finished: Extract<Finished, { ok: false }>): Promise<Refusal> {
    const { recordOnRefusal: change, ...refusal } = finished
    if (change === undefined) return refusal
    const { id, version, lastUsedAt, boundAt } = change.binding
    const written = await bindings.replace(id, version, {
      record: change.record,
      lastUsedAt: lastUsedAt ?? boundAt,
    })
    return written ? refusal : refuse('mismatch')
  }

  /** Whether a binding was made; a refusal when another answer was faster or there is no room for another binding. */
  async function keep(attempt: Attempt, half: CeremonyOf, success: Success): Promise<boolean | Refusal> {
    const { finished, label } = success
    const { binding: used, record } = finished
    if (used !== undefined) {
      const told = finished.sideEffect && changesOf(attempt, finished.sideEffect)
      const moved = await bindings.replace(used.id, used.version, { record, lastUsedAt: attempt.context.now, ...told })
      return moved ? false : lost(attempt)
    }
    const { account, now } = attempt.context
    const binding = { id: randomToken(16), accountId: account.id, type: attempt.type, label, record }
    const details = { factor: attempt.type, ceremony: attempt.ceremony }
    const mails = mailsOf('factor-added', attempt, label)
    const audit = { event: 'factor.added', outcome: 'ok', ...partiesOf(attempt), details, mails } as const
    const maxOfType = half.authenticator.maxPerAccount
    const { endsSignIns } = attempt
    const inserted = await bindings.insert({ ...binding, boundAt: now }, { maxOfType, audit, endsSignIns })
    if (inserted) return true
    // A parallel first verification has bound it: what was proved here is as good.
    return attempt.ceremony === 'verify' ? false : refuse('unusable')
  }

  function changesOf(
    attempt: Attempt,
    { event, notice, details, ends }: SideEffect,
  ): { audit: Change } | { ends: Change } {
    const change: Change = {
      event,
      outcome: 'ok',
      ...partiesOf(attempt),
      details: { factor: attempt.type, ...details },
      ...(notice !== undefined && { mails: mailsOf(notice, attempt) }),
    }
    return ends === undefined ? { audit: change } : { ends: change }
  }

  /** Whether that changed the account. */
  async function verifyAddress(attempt: Attempt, address: string | undefined): Promise<boolean> {
    const { account } = attempt.context
    if (address === undefined || account.emailVerified || account.email !== address) return false
    const audit = { event: 'email.verified', outcome: 'ok', ...partiesOf(attempt) } as const
    await accounts.update(account.id, { verifiedEmail: address }, audit)
    return true
  }

  function failed(attempt: Attempt, reason: RefusalReason): void {
    record(attempt, reason === 'replayed' ? 'otp.replay' : 'otp.fail', reason)
  }

  function throttled(attempt: Attempt, retryAfter: number): Refusal {
    failed(attempt, 'throttled')
    return { ok: false, reason: 'throttled', retryAfter }
  }

  function locked(attempt: Attempt): Refusal {
    record(attempt, 'otp.locked', 'locked')
    return refuse('locked')
  }

  function record(attempt: Attempt, event: AuditEventName, reason: RefusalReason | undefined): void {
    const details = { factor: attempt.type, ceremony: attempt.ceremony, reason }
    trail.record({ event, outcome: reason === undefined ? 'ok' : 'fail', ...partiesOf(attempt), details })
  }

  return {
    begin,
    async renew(attempt) {
      const half = halfOf(attempt)
      if (half === undefined || half.ceremony.challengeless) return begin(attempt)
      const wait = await waitUntilRoom(limitsOf(attempt, options), state)
      // A code that could not be tried is not worth sending.
      if (wait !== undefined) return { ok: false, reason: 'throttled', retryAfter: wait }
      return challenges.renew(attempt, half)
    },
    async finish(attempt, form): Promise<Verdict> {
      const half = halfOf(attempt)
      if (half === undefined) return refuse('unusable')
      const { account } = attempt.context
      const kept = !half.ceremony.challengeless
      const [challenge, all] = await Promise.all([
        kept ? challenges.open(attempt) : undefined,
        attempt.bindings ?? bindings.list(account.id),
      ])
      const own = all.filter((binding) => binding.type === attempt.type)
      if (attempt.ceremony === 'verify' && !isUsable(half.authenticator, account, own)) return refuse('unusable')
      if (kept && challenge === undefined) return refuse('expired')
      const finished = await judge(attempt, half, { challenge, own, code: form.code })
      if (!finished.ok) return finished
      if (challenge !== undefined && !(await challenges.spend(attempt, challenge))) return lost(attempt)
      const bound = await keep(attempt, half, { finished, label: labelOf(form.label) })
      if (typeof bound === 'object') return bound
      const [verified] = await Promise.all([
        verifyAddress(attempt, finished.address),
        finished.giveBack(),
        attempt.ceremony === 'verify' && bindings.clearAttempts(account.id, attempt.type),
      ])
      const changed = bound || verified || finished.sideEffect !== undefined
      return { ok: true, proof: provedBy(attempt, finished), bound, changed }
    },
  }

  function provedBy(attempt: Attempt, finished: Right): Proof | undefined {
    if (finished.opens === 'binding') return undefined
    record(attempt, 'otp.ok', undefined)
    return { method: attempt.type, at: attempt.context.now }
  }

  /** Right, and too late: somebody used the same code, or the same step, at the same time. */
  function lost(attempt: Attempt): Refusal {
    failed(attempt, 'replayed')
    return refuse('replayed')
  }
}

interface Given {
  challenge: Versioned<KeptChallenge> | undefined
  own: Binding[]
  code: string
}

interface Success {
  finished: Right
  label: string | undefined
}

/** Who has no fallback learns no more of it than who types a wrong code: whether one was given out is not to be seen. */
function isUsable(authenticator: Authenticator, account: Account, own: readonly Binding[]): boolean {
  return own.length > 0 || authenticator.usableUnbound(account) || authenticator.fallback !== undefined
}

function limitsOf(attempt: Attempt, options: VerifierOptions): Limit[] {
  if (attempt.ceremony === 'bind') return []
  const { id } = attempt.context.account
  return [
    {
      name: 'otp-interaction',
      count: options.perInteraction,
      window: options.interaction,
      of: [attempt.interaction, id],
    },
    { name: 'otp-hour', count: options.perHour, window: HOUR, of: [id] },
    { name: 'otp-day', count: options.perDay, window: DAY, of: [id] },
  ]
}

function labelOf(label: string | undefined): string | undefined {
  return label?.trim().slice(0, LABEL_LENGTH) || undefined
}

function refuse(reason: RefusalReason): Refusal {
  return { ok: false, reason }
}
