import type { Context } from 'koa'
import type { Account } from '../accounts/account.ts'
import type { AccountStore } from '../accounts/account-store.ts'
import type { Clock } from '../kernel/clock.ts'
import { RequestError } from '../kernel/errors.ts'
import { type AcrNames, requestedAcr } from '../mfa/assurance/acr.ts'
import { amrOf, highest, PASSWORD, provenAt, satisfiedBy, union } from '../mfa/assurance/assurance.ts'
import type { Binding, BindingStore } from '../mfa/factors/binding-store.ts'
import type { Decider } from '../mfa/policy/decider.ts'
import { type Demand, liveProofs } from '../mfa/policy/policy.ts'
import { type GraceLeft, graceLeft } from '../mfa/policy/postponement.ts'
import type { PostponementStore } from '../mfa/policy/postponement-store.ts'
import { nextStep, type Step, type StepRules } from '../mfa/policy/steps.ts'
import { type PendingProof, type PendingProofs, pendingFor } from '../mfa/session/pending-proof.ts'
import { aliveFor, type SessionProofRecords, type SessionProofs } from '../mfa/session/session-proofs.ts'
import type { Versioned } from '../state/records.ts'
import type { Browser } from '../web/browser.ts'
import type { Interaction, Interactions } from './engine.ts'

/** One sign-in of one browser, as it stands now: everything its pages decide from. */
export interface SignIn {
  interaction: Interaction
  browser: Browser
  /** Of the pages: what its person has chosen counts once it is known who that is. */
  locale: string
  /** The same for somebody who has chosen this language, or none. */
  localeFor(chosen: string | undefined): string
  /** The client address. */
  address: string
  /** Who said the password, or whose session asks for more; undefined on the login page. */
  account: Account | undefined
  bindings: readonly Binding[]
  pending: Versioned<PendingProof> | undefined
  /** Which version of it was read, whether it counts or not. */
  readVersion: string | undefined
  /** Of the session that asks for more; undefined where the sign-in starts from nothing. */
  session: SessionProofs | undefined
  demanded: Demand | undefined
  step: Step
}

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
export interface Fresh {
  account?: Account
  bindings?: readonly Binding[]
}

/** Of a request that asks for these `ui_locales`, for somebody who has chosen this language. */
export type LocaleOf = (uiLocales: unknown, chosen: string | undefined) => string

export interface SignIns {
  load(ctx: Context, at: { uid: string; browser: Browser; locale: LocaleOf }): Promise<SignIn>
  /** The same sign-in with this pending proof, decided anew: what is not given as read a moment ago is read again. */
  proceed(signIn: SignIn, pending: PendingProof, fresh?: Fresh): Promise<SignIn>
  /** Keeps the pending proof; false when another tab was faster. */
  keep(signIn: SignIn): Promise<boolean>
  drop(signIn: SignIn): Promise<void>
  /** Where the browser goes when this interaction was finished or moved on since it was loaded; undefined: it stands where it stood. */
  movedTo(ctx: Context, signIn: SignIn): Promise<string | undefined>
  /** What the engine is told once nothing is missing. */
  result(signIn: SignIn): Record<string, unknown>
}

/** The prompt whose session is asked for more; every other one starts from nothing. */
const STEP_UP = 'mfa'

export function createSignIns(dependencies: SignInDependencies): SignIns {
  const { interactions, accounts, bindings, postponements, pendingProofs, sessionProofs, decider, rules, acr, clock } =
    dependencies

  type Known = Pick<SignIn, 'interaction' | 'browser' | 'localeFor' | 'address' | 'pending' | 'readVersion' | 'session'>

  async function decide(known: Known, fresh: Fresh = {}): Promise<SignIn> {
    const { interaction, pending, session } = known
    const nobody: SignIn = {
      ...known,
      locale: known.localeFor(undefined),
      account: undefined,
      bindings: [],
      demanded: undefined,
      step: { kind: 'password' },
    }
    const id = pending?.value.accountId ?? session?.accountId
    if (id === undefined) return { ...nobody, locale: known.localeFor(await chosenByOwner(interaction)) }
    const [account, bound] = await Promise.all([
      fresh.account ?? accounts.find(id),
      fresh.bindings ?? bindings.list(id),
    ])
    if (account === undefined) return nobody
    if (pending !== undefined && !pendingFor(account, pending.value)) return { ...nobody, pending: undefined }
    // It was ended while its page was open: only a request that starts anew can go on.
    if (session !== undefined && !aliveFor(account, session)) throw new RequestError('expired')
    const demanded = decider.demandWith(
      {
        account,
        client: { id: interaction.client.id, require: interaction.client.require, own: interaction.client.own },
        address: known.address,
        requested: requestedAcr(interaction.params, acr).levels,
      },
      bound,
    )
    const step = nextStep(
      {
        demanded,
        account,
        bindings: bound,
        proofs: proofsOf(known),
        startedAt: interaction.startedAt,
        now: clock.now(),
        bypassed: pending?.value.bypassed === true,
        remembered: pending?.value.device !== undefined,
        chosen: pending?.value.chosen,
        choosing: pending?.value.choosing === true,
        graceLeft: await leftOf(account, demanded),
        answer: graceAnswer(pending?.value, demanded),
      },
      rules,
    )
    return { ...known, locale: known.localeFor(account.locale), account, bindings: bound, demanded, step }
  }

  /** Nothing is proved on the consent page, and yet the session says whose it is. */
  async function chosenByOwner({ prompt, session }: Interaction): Promise<string | undefined> {
    if (prompt.name !== 'consent' || session === undefined) return undefined
    return (await accounts.find(session.accountId))?.locale
  }

  async function leftOf(account: Account, { grace, rule }: Demand): Promise<GraceLeft | undefined> {
    if (grace === 'none') return undefined
    return graceLeft(grace, await postponements.find(account.id, rule), clock.now())
  }

  return {
    async load(ctx, { uid, browser, locale }) {
      const [interaction, pending] = await Promise.all([
        interactions.load(ctx, { uid, browser }),
        pendingProofs.get(uid),
      ])
      // Of another browser: this one has the interaction's cookie but not the secret the proof is bound to.
      if (pending !== undefined && pending.value.browser !== browser.id) throw new RequestError('expired')
      const session = interaction.prompt.name === STEP_UP ? await sessionOf(interaction) : undefined
      const localeFor = (chosen: string | undefined): string => locale(interaction.params.ui_locales, chosen)
      const known = { interaction, browser, localeFor, address: ctx.ip, readVersion: pending?.version }
      return decide({ ...known, pending, session })
    },
    proceed(signIn, pending, fresh) {
      const { interaction, browser, localeFor, address, readVersion, session } = signIn
      const known = { interaction, browser, localeFor, address, readVersion, session }
      return decide({ ...known, pending: { value: pending, version: signIn.pending?.version ?? '' } }, fresh)
    },
    async keep({ interaction, pending }) {
      if (pending === undefined) return true
      const left = Math.max(1, interaction.expiresAt - clock.now())
      if (pending.version !== '') return pendingProofs.replace(interaction.uid, pending.version, pending.value, left)
      await pendingProofs.set(interaction.uid, pending.value, left)
      return true
    },
    drop: ({ interaction }) => pendingProofs.delete(interaction.uid),
    async movedTo(ctx, { interaction: { uid }, browser, readVersion }) {
      const [interaction, now] = await Promise.all([interactions.load(ctx, { uid, browser }), pendingProofs.get(uid)])
      return interaction.finished ?? (now?.version === readVersion ? undefined : `/interaction/${uid}`)
    },
    result(signIn) {
      const { account, demanded, pending, session, interaction } = signIn
      if (account === undefined || demanded === undefined) throw new Error('a sign-in of nobody')
      const all = proofsOf(signIn)
      const proofs = liveProofs(all, demanded, interaction.startedAt)
      const level = highest(satisfiedBy(proofs, decider.lookup))
      const at = level && provenAt(proofs, level, decider.lookup)
      if (level === undefined || at === undefined) throw new Error('a sign-in without a level')
      const device = pending?.value.device ?? session?.device
      const postponed = pending?.value.postponed ?? session?.postponed
      const startedAt = session?.startedAt ?? clock.now()
      const kept: SessionProofs = {
        accountId: account.id,
        // What does not count here may count elsewhere.
        proofs: all,
        device,
        ...(postponed !== undefined && { postponed }),
        address: signIn.address,
        passwordEpoch: account.passwordEpoch,
        sessionEpoch: account.sessionEpoch,
        startedAt,
        expiresAt: startedAt + dependencies.absolute,
      }
      return {
        login: {
          accountId: account.id,
          acr: acr.nameOf(level),
          amr: amrOf(proofs, decider.lookup),
          ts: Math.floor(at / 1000),
          remember: false,
          fresh: freshPassword(signIn) || interaction.before?.fresh === true,
        },
        proofs: kept,
        asOf: interaction.startedAt,
        ...(interaction.prompt.name === STEP_UP && { stepUp: true }),
      }
    },
  }

  async function sessionOf({ session }: Interaction): Promise<SessionProofs | undefined> {
    if (session === undefined) return undefined
    const found = (await sessionProofs.get(session.uid))?.value
    return found?.accountId === session.accountId ? found : undefined
  }
}

function graceAnswer(pending: PendingProof | undefined, { rule }: Demand): 'postponed' | 'binding' | undefined {
  if (pending?.postponed !== undefined && pending.postponed.rule === rule) return 'postponed'
  return pending?.binding && 'binding'
}

/** Of the session and of this interaction together: of each method the newest. */
function proofsOf({ session, pending }: Pick<SignIn, 'session' | 'pending'>) {
  return union(session?.proofs ?? [], pending?.value.proofs ?? [])
}

/** Whether the password was typed in this very request. */
function freshPassword({ pending }: SignIn): boolean {
  return pending?.value.proofs.some((proof) => proof.method === PASSWORD) === true
}
