import type { Context } from 'koa'
import type { Account } from '../accounts/account.ts'
import type { AccountStore } from '../accounts/account-store.ts'
import type { Clock } from '../kernel/clock.ts'
import { RequestError } from '../kernel/errors.ts'
import type { AcrNames } from '../mfa/assurance/acr.ts'
import type { Binding, BindingStore } from '../mfa/factors/binding-store.ts'
import type { Decider } from '../mfa/policy/decider.ts'
import type { Demand } from '../mfa/policy/policy.ts'
import { type GraceLeft, graceLeft } from '../mfa/policy/postponement.ts'
import type { PostponementStore } from '../mfa/policy/postponement-store.ts'
import { nextStep, type StepRules } from '../mfa/policy/steps.ts'
import { type PendingProof, type PendingProofs, pendingFor } from '../mfa/session/pending-proof.ts'
import { aliveFor, type SessionProofRecords, type SessionProofs } from '../mfa/session/session-proofs.ts'
import type { Browser } from '../web/browser.ts'
import type { Interaction, Interactions } from './engine.ts'
import { type KnownSignIn, questionOf, type SignIn, STEP_UP, signInOfNobody, stepFactsOf } from './sign-in.ts'
import { resultOf } from './sign-in-result.ts'

export interface SignInDependencies {
  interactions: Interactions
  accounts: Pick<AccountStore, 'find'>
  bindings: Pick<BindingStore, 'list'>
  postponements: Pick<PostponementStore, 'find'>
  pendingProofs: PendingProofs
  sessionProofs: SessionProofRecords
  decider: Decider
  rules: StepRules
  acr: AcrNames
  clock: Clock
  /** Milliseconds a session may last from its first sign-in. */
  absolute: number
}

/** What this request has read already. */
interface Fresh {
  account?: Account
  bindings?: readonly Binding[]
}

/** The language of a request that asks for these `ui_locales`, for somebody who has chosen this one. */
type LocaleOf = (uiLocales: unknown, chosen: string | undefined) => string

/** Sign-ins under way: loads them, decides which step is next, and keeps what was proved. */
export interface SignIns {
  load(ctx: Context, at: { uid: string; browser: Browser; locale: LocaleOf }): Promise<SignIn>
  /** The same sign-in with this pending proof, decided anew: what is not given as read a moment ago is read again. */
  proceed(signIn: SignIn, pending: PendingProof, fresh?: Fresh): Promise<SignIn>
  /** Keeps the pending proof; false when another tab was faster. */
  keep(signIn: SignIn): Promise<boolean>
  /** Forgets the pending proof. */
  drop(signIn: SignIn): Promise<void>
  /**
   * Where the browser goes when this interaction was finished or moved on since it was loaded; undefined: it was
   * neither.
   */
  movedTo(ctx: Context, signIn: SignIn): Promise<string | undefined>
  /** What the engine is told once nothing is missing. */
  result(signIn: SignIn): Record<string, unknown>
}

/** A version that no record has: the pending proof is to be written in place of whatever is kept. */
const UNREAD = ''

export function createSignIns(dependencies: SignInDependencies): SignIns {
  const { interactions, pendingProofs, sessionProofs, decider, acr, clock, absolute } = dependencies
  const decide = createDecision(dependencies)

  /** The session that is asked for more. */
  async function sessionOf({ prompt, session }: Interaction): Promise<SessionProofs | undefined> {
    if (prompt.name !== STEP_UP || session === undefined) return undefined
    const found = (await sessionProofs.get(session.uid))?.value
    return found?.accountId === session.accountId ? found : undefined
  }

  return {
    async load(ctx, { uid, browser, locale }) {
      const [interaction, pending] = await Promise.all([
        interactions.load(ctx, { uid, browser }),
        pendingProofs.get(uid),
      ])
      // The proof is another browser's: this one has the interaction's cookie, but not the secret that the proof is
      // bound to.
      if (pending !== undefined && pending.value.browser !== browser.id) throw new RequestError('expired')
      const session = await sessionOf(interaction)
      const localeFor = (chosen: string | undefined): string => locale(interaction.params.ui_locales, chosen)
      return decide({
        interaction,
        browser,
        localeFor,
        address: ctx.ip,
        readVersion: pending?.version,
        pending,
        session,
      })
    },
    proceed(signIn, pending, fresh) {
      const { interaction, browser, localeFor, address, readVersion, session } = signIn
      const known = { interaction, browser, localeFor, address, readVersion, session }
      return decide({ ...known, pending: { value: pending, version: signIn.pending?.version ?? UNREAD } }, fresh)
    },
    async keep({ interaction, pending }) {
      if (pending === undefined) return true
      const left = Math.max(1, interaction.expiresAt - clock.now())
      const { value, version } = pending
      if (version !== UNREAD) return pendingProofs.replace(interaction.uid, version, value, left)
      await pendingProofs.set(interaction.uid, value, left)
      return true
    },
    drop: ({ interaction }) => pendingProofs.delete(interaction.uid),
    async movedTo(ctx, { interaction: { uid }, browser, readVersion }) {
      const [interaction, now] = await Promise.all([interactions.load(ctx, { uid, browser }), pendingProofs.get(uid)])
      return interaction.finished ?? (now?.version === readVersion ? undefined : `/interaction/${uid}`)
    },
    result: (signIn) => resultOf(signIn, { lookup: decider.lookup, acr, now: clock.now(), absolute }),
  }
}

/** Reads whose sign-in it is and what they have, and decides from that which step is next. */
function createDecision(
  dependencies: Pick<
    SignInDependencies,
    'accounts' | 'bindings' | 'postponements' | 'decider' | 'rules' | 'acr' | 'clock'
  >,
): (known: KnownSignIn, fresh?: Fresh) => Promise<SignIn> {
  const { accounts, bindings, postponements, decider, rules, acr, clock } = dependencies

  /** The language of whose session it is: on the consent page nothing is proved, and yet the session says who it is. */
  async function chosenByOwner({ prompt, session }: Interaction): Promise<string | undefined> {
    if (prompt.name !== 'consent' || session === undefined) return undefined
    return (await accounts.find(session.accountId))?.locale
  }

  async function leftOf(account: Account, { grace, rule }: Demand): Promise<GraceLeft | undefined> {
    if (grace === 'none') return undefined
    return graceLeft(grace, await postponements.find(account.id, rule), clock.now())
  }

  return async (known, fresh = {}) => {
    const { interaction, pending, session } = known
    const id = pending?.value.accountId ?? session?.accountId
    if (id === undefined) return signInOfNobody(known, await chosenByOwner(interaction))
    const [account, bound] = await Promise.all([
      fresh.account ?? accounts.find(id),
      fresh.bindings ?? bindings.list(id),
    ])
    if (account === undefined) return signInOfNobody(known)
    if (pending !== undefined && !pendingFor(account, pending.value)) {
      return { ...signInOfNobody(known), pending: undefined }
    }
    // The session was ended while its page was open: only a request that starts anew can go on.
    if (session !== undefined && !aliveFor(account, session)) throw new RequestError('expired')
    const demanded = decider.demandWith(questionOf(known, account, acr), bound)
    const left = await leftOf(account, demanded)
    const facts = stepFactsOf(known, { account, bindings: bound, demanded, graceLeft: left, now: clock.now() })
    return {
      ...known,
      locale: known.localeFor(account.locale),
      account,
      bindings: bound,
      demanded,
      step: nextStep(facts, rules),
    }
  }
}
