import { OWN_CLIENTS } from '../../config/own-clients.ts'
import type { Clock } from '../../kernel/clock.ts'
import { RequestError } from '../../kernel/errors.ts'
import type { AcrNames } from '../../mfa/assurance/acr.ts'
import { LEVELS } from '../../mfa/assurance/levels.ts'
import type { Authenticator, CeremonyContext } from '../../mfa/factors/authenticator.ts'
import type { Registry } from '../../mfa/factors/registry.ts'
import type { Attempt, Begun, Verifier } from '../../mfa/factors/verifier.ts'
import type { Decider } from '../../mfa/policy/decider.ts'
import type { EnrolmentGuard } from '../../mfa/policy/steps.ts'
import type { SessionProofRecords } from '../../mfa/session/session-proofs.ts'
import type { Sessions } from '../../mfa/session/sessions.ts'
import { problemOf } from '../../web/refusal.ts'
import { endOtherSessions } from '../kept-session.ts'
import type { Action, ActionOutcome, SubPage, Visitor } from '../section.ts'
import { hasBound, labelIn } from './own-factor.ts'

export interface EnrolmentDependencies {
  authenticators: Pick<Registry, 'get'>
  verifier: Verifier
  decider: Pick<Decider, 'lookup' | 'hasFactor'>
  acr: AcrNames
  clock: Clock
  sessions: Pick<Sessions, 'endAll'>
  sessionProofs: SessionProofRecords
}

/** How the visitor adds a factor of one kind. */
export interface Enrolment {
  /** Whether they may add one. */
  offered(visitor: Visitor): Promise<boolean>
  /** The button that begins it. */
  action: Action
  /** The page with the key and the field for the first code. */
  page: SubPage
}

/** On the account page, or in a sign-in that has guards of its own for this; undefined: not at all. */
type Way = 'here' | 'by sign-in' | undefined

export function createEnrolment(
  kind: Authenticator,
  { guard }: { guard: EnrolmentGuard },
  dependencies: EnrolmentDependencies,
): Enrolment {
  const { authenticators, verifier, decider, acr, clock } = dependencies

  async function wayOf(visitor: Visitor): Promise<Way> {
    const { account, demanded } = visitor
    const bound = visitor.bindings.filter(({ type }) => type === kind.type).length
    if (decider.lookup(kind.type) === undefined || bound >= kind.maxPerAccount) return undefined
    const opened = guard !== 'bypass' || hasBound(visitor, authenticators)
    if (opened && (await decider.hasFactor(account, demanded))) return 'here'
    // With a password alone nobody gets to see the key: the sign-in has its guards against that (B3, FB-2).
    return demanded.methods.includes(kind.type) ? 'by sign-in' : undefined
  }

  const action: Action = {
    // The page it leads to asks for a fresh second factor; so does the sign-in.
    open: true,
    async act(visitor): Promise<ActionOutcome> {
      const way = await wayOf(visitor)
      if (way === undefined) return { error: { code: 'bad-request' } }
      if (way === 'here') return { to: `/account/add-${kind.type}` }
      const level = LEVELS.strongest(kind.assurance) ?? LEVELS.secondFactor
      const signIn = { acrValues: acr.nameOf(level) }
      return { to: '/account#factors', notice: 'factor-bound', signIn }
    },
  }

  const page: SubPage = {
    name: `bind-${kind.type}`,
    view: `${kind.type}/bind`,
    async show(visitor) {
      if ((await wayOf(visitor)) !== 'here') return undefined
      const { show, expiresAt } = await begun(attemptOf(visitor, kind, clock.now()), verifier)
      return { ...show, remember: 0, choose: false, label: true, expiresIn: Math.max(0, expiresAt - clock.now()) }
    },
    async post(visitor, form): Promise<ActionOutcome> {
      if ((await wayOf(visitor)) !== 'here') return { to: '/account#factors' }
      const label = labelIn(form)
      const given = { code: form.get('code') ?? '', ...(label !== undefined && { label }) }
      const verdict = await verifier.finish(attemptOf(visitor, kind, clock.now()), given)
      if (!verdict.ok) return { error: problemOf(verdict) }
      await endOtherSessions(visitor, 'factors', dependencies)
      const { proof } = verdict
      return { to: '/account#factors', notice: 'factor-added', ...(proof !== undefined && { proof }) }
    },
  }

  return { offered: async (visitor) => (await wayOf(visitor)) !== undefined, action, page }
}

/** The challenge of this attempt. Whoever took too long gets a new one at once, because nothing is sent here. */
async function begun(attempt: Attempt, verifier: Verifier): Promise<Begun> {
  const first = await verifier.begin(attempt)
  const answer = first.ok || first.reason !== 'expired' ? first : await verifier.renew(attempt)
  if (answer.ok) return answer
  const { reason, retryAfter } = answer
  throw new RequestError(reason === 'throttled' ? 'throttled' : 'expired', {
    ...(retryAfter !== undefined && { retryAfter }),
  })
}

function attemptOf(visitor: Visitor, { type }: Authenticator, now: number): Attempt {
  const { account, browser, session, bindings } = visitor
  return {
    ceremony: 'bind',
    type,
    // By the epoch, wrong answers to one enrolment do not count against the next one.
    interaction: `account ${session.uid} ${account.factorEpoch}`,
    browser,
    client: OWN_CLIENTS.change,
    context: ceremonyContext(visitor, now),
    bindings,
    endsSignIns: true,
  }
}

/** What a ceremony on the account page is told of the visitor. `now`: milliseconds since the epoch. */
export function ceremonyContext({ account, locale, ip, userAgent }: Visitor, now: number): CeremonyContext {
  return { account, now, locale, request: { ip, userAgent } }
}
