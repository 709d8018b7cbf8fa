import { randomUUID } from 'node:crypto'
import type { Account } from '../accounts/account.ts'
import type { AccountStore } from '../accounts/account-store.ts'
import { passwordProblem, personalWords } from '../accounts/password-rules.ts'
import type { Hasher } from '../accounts/passwords.ts'
import { parseUsername } from '../accounts/username.ts'
import { type Clock, HOUR } from '../kernel/clock.ts'
import { randomToken } from '../kernel/secrets.ts'
import { parseAddress } from '../mail/address.ts'
import type { Authenticator, Ceremony, CeremonyContext, Finished, Refusal, Show } from '../mfa/factors/authenticator.ts'
import { type Limit, spend } from '../state/allowance.ts'
import { keyOf, type StateStore } from '../state/store.ts'
import type { PageError } from '../views/pages.ts'
import type { Form } from '../web/form.ts'
import type { Draft, SetupChallenge } from './setup-state.ts'

export interface AdministratorOptions {
  serviceName: string
  /** How many characters a new password needs under this decision. */
  shortest(enabled: boolean): number
}

export interface AdministratorDependencies {
  accounts: Pick<AccountStore, 'findByLogin'>
  hasher: Pick<Hasher, 'hash'>
  /** The kind of second factor that the administrator proves. */
  factor: Authenticator
  state: StateStore
  clock: Clock
}

/** Who asks, for messages, mails and the audit. */
export interface Asking {
  ip: string
  userAgent: string
  locale: string
}

/**
 * The first administrator, before there is an account: checks what is typed, and runs the ceremony of one kind of
 * second factor (A9).
 */
export interface Administrators {
  /** The authenticator's type. */
  readonly factor: string
  /** What was typed, if an account can be made from it. */
  draft(
    form: Form,
    enabled: boolean,
    locale: string,
  ): Promise<{ ok: true; draft: Draft } | { ok: false; error: PageError }>
  /** Makes the challenge, and sends what must be sent. */
  begin(draft: Draft, asking: Asking): Promise<{ ok: true; challenge: SetupChallenge } | Refusal>
  /** A new challenge, once the wait after `before` is over. */
  renew(
    draft: Draft,
    asking: Asking,
    before: SetupChallenge | undefined,
  ): Promise<{ ok: true; challenge: SetupChallenge } | Refusal>
  /** What the page shows of a challenge. */
  show(draft: Draft, asking: Asking, challenge: SetupChallenge): Promise<Show>
  /**
   * Judges a code. Each answer is counted before it is judged, and after as many as the kind allows the challenge is
   * dead.
   */
  finish(draft: Draft, asking: Asking, given: { challenge: SetupChallenge; code: string }): Promise<Finished>
  /** Milliseconds until another challenge can be sent; undefined for a kind that sends nothing. */
  resendIn(challenge: SetupChallenge | undefined): number | undefined
}

/**
 * How many challenges one installation makes in an hour: whoever has the token could otherwise have mails sent to
 * anybody.
 */
const PER_HOUR = 20

export function createAdministrators(
  { serviceName, shortest }: AdministratorOptions,
  { accounts, hasher, factor, state, clock }: AdministratorDependencies,
): Administrators {
  const ceremony: Ceremony = factor.bind ?? factor.verify
  const { ttl, attempts } = factor.challenge
  const perAddress = factor.resend?.perHour ?? PER_HOUR
  const limitsOf = ({ email }: Draft): Limit[] => [
    { name: 'setup-challenges', count: PER_HOUR, window: HOUR, of: [] },
    { name: 'setup-challenges-of', count: perAddress, window: HOUR, of: [factor.type, email] },
  ]

  function contextOf(draft: Draft, { ip, userAgent, locale }: Asking): CeremonyContext {
    const now = clock.now()
    return { account: accountOf(draft, now), now, locale, request: { ip, userAgent } }
  }

  async function begin(draft: Draft, asking: Asking): ReturnType<Administrators['begin']> {
    const spent = await spend(limitsOf(draft), state)
    if (!spent.ok) return { ok: false, reason: 'throttled', retryAfter: spent.wait }
    const begun = await ceremony.begin([], contextOf(draft, asking))
    if (!begun.ok) return begun
    const madeAt = clock.now()
    return {
      ok: true,
      challenge: { id: randomToken(16), value: begun.challenge, madeAt, expiresAt: madeAt + ttl },
    }
  }

  function resendIn(challenge: SetupChallenge | undefined): number | undefined {
    if (factor.resend === undefined) return undefined
    return challenge === undefined ? 0 : Math.max(0, challenge.madeAt + factor.resend.after - clock.now())
  }

  return {
    factor: factor.type,
    begin,
    resendIn,
    async draft(form, enabled, locale) {
      const typed = form.get('username') ?? ''
      const username = parseUsername(typed)
      if (username === undefined) return refused({ code: 'username' })
      const email = parseAddress((form.get('email') ?? '').trim())
      if (email === undefined) return refused({ code: 'address' })
      const password = form.get('password') ?? ''
      const minLength = shortest(enabled)
      const reason = passwordProblem(password, { minLength, personal: personalWords({ serviceName, username, email }) })
      if (reason !== undefined) return refused({ code: 'password', reason, least: minLength })
      for (const login of [username, email]) {
        if ((await accounts.findByLogin(login)) !== undefined) return refused({ code: 'username', reason: 'taken' })
      }
      const passwordHash = await hasher.hash(password)
      return { ok: true, draft: { id: randomUUID(), username, email, passwordHash, locale } }
    },
    async renew(draft, asking, before) {
      const wait = resendIn(before) ?? 0
      return wait > 0 ? { ok: false, reason: 'throttled', retryAfter: wait } : begin(draft, asking)
    },
    show: (draft, asking, challenge) => ceremony.show(challenge.value, contextOf(draft, asking)),
    async finish(draft, asking, { challenge, code }) {
      const answers = await state.increment(keyOf('setup-answers', challenge.id), ttl)
      if (answers > attempts || clock.now() >= challenge.expiresAt) return { ok: false, reason: 'expired' }
      return ceremony.finish({ bindings: [], challenge: challenge.value, code, context: contextOf(draft, asking) })
    },
  }
}

function refused(error: PageError): { ok: false; error: PageError } {
  return { ok: false, error }
}

/** The account as it will be, for the ceremony. */
function accountOf({ id, username, email, locale }: Draft, now: number): Account {
  return {
    id,
    username,
    email,
    emailVerified: false,
    name: undefined,
    groups: [],
    admin: true,
    locale,
    disabled: false,
    passwordEpoch: 0,
    factorEpoch: 0,
    sessionEpoch: 0,
    createdAt: now,
    updatedAt: now,
  }
}
