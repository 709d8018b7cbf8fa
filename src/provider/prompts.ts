import { errors, interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider'
import { type AcrNames, requestedAcr } from '../mfa/assurance/acr.ts'
import { amrOf, highest, type Level, type MethodLookup, provenAt, satisfiedBy } from '../mfa/assurance/assurance.ts'
import type { Proof } from '../mfa/factors/verifier.ts'
import type { Admissions } from '../mfa/policy/admission.ts'
import type { Decider } from '../mfa/policy/decider.ts'
import type { OwnPage } from '../mfa/policy/policy.ts'
import { aliveFor, type SessionProofs } from '../mfa/session/session-proofs.ts'
import { accountOf } from './engine-account.ts'
import { createSessionRecords, type SessionRecords, type SessionRecordsDependencies } from './session-records.ts'

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

export interface PromptDependencies extends SessionRecordsDependencies {
  decider: Decider
  acr: AcrNames
  admissions: Admissions
}

/**
 * Which pages an authorization request needs: the password, then what is missing of the demanded level, then consent.
 */
export function createPromptPolicy(dependencies: PromptDependencies): interactionPolicy.DefaultPolicy {
  const { Prompt, Check, base } = interactionPolicy
  const policy = base()
  const records = createSessionRecords(dependencies)
  const recordOf = records.of
  const login = promptNamed(policy, 'login')
  // The engine's own checks would ask for the password for ever when the level is not reached (X2); levels are up to
  // the mfa prompt.
  login.checks.remove('essential_acr')
  login.checks.remove('essential_acrs')
  login.checks.remove('max_age')
  login.checks.add(
    new Check('max_age', 'the authentication is too old', 'login_required', async (ctx) =>
      tooOld(ctx, await recordOf(ctx), { lookup: dependencies.decider.lookup, now: dependencies.clock.now() }),
    ),
  )
  login.checks.add(
    new Check('session_ended', 'the session has ended', 'login_required', async (ctx) => {
      if (ctx.oidc.session?.accountId === undefined) return false
      const account = accountOf(ctx)
      const record = await recordOf(ctx)
      if (account === undefined || record === undefined) return true
      return record.ended === true || !aliveFor(account, record) || dependencies.clock.now() >= record.expiresAt
    }),
  )
  login.checks.add(
    new Check('subject', 'another account was asked for', 'login_required', async (ctx) => {
      // OIDC Core, section 3.1.2.1: the person who has signed in is not the one that the request names. To ask again
      // would be a loop (OA-19).
      const wanted = result(ctx)?.login && subjectOf(ctx)
      if (wanted !== undefined && wanted !== ctx.oidc.session?.accountId) {
        throw new errors.LoginRequired('another account was asked for')
      }
      return false
    }),
  )
  policy.add(
    new Prompt(
      { name: 'mfa', requestable: false },
      new Check('level', 'a stronger authentication is required', 'interaction_required', async (ctx) => {
        const short = await fallsShort(ctx, records, dependencies)
        if (short && result(ctx)?.stepUp === true) {
          throw new errors.UnmetAuthenticationRequirements('the requested authentication could not be reached')
        }
        return short
      }),
    ),
    1,
  )
  const consent = promptNamed(policy, 'consent')
  consent.checks.remove('native_client_prompt')
  consent.checks.add(
    new Check('native_client_prompt', 'native clients need consent', 'interaction_required', async ({ oidc }) => {
      // No question for a first-party app on the person's own device: nobody elsewhere can take over its loopback
      // redirect.
      const native = oidc.client?.applicationType === 'native' && oidc.client.firstParty === false
      return native && oidc.result?.consent === undefined
    }),
  )
  return policy
}

function promptNamed(policy: interactionPolicy.DefaultPolicy, name: string): interactionPolicy.Prompt {
  const prompt = policy.get(name)
  if (prompt === undefined) throw new Error(`the engine has no ${name} prompt`)
  return prompt
}

const result = (ctx: KoaContextWithOIDC): SignInResult | undefined => ctx.oidc.result as SignInResult | undefined

/**
 * The account that the request names. The engine verifies an `id_token_hint` when the request comes in, and has
 * forgotten it when the person comes back from our pages, so it is read again here.
 */
function subjectOf({ oidc }: KoaContextWithOIDC): string | undefined {
  const claimed = oidc.claims.id_token?.sub as { value?: unknown } | null | undefined
  if (typeof claimed?.value === 'string') return claimed.value
  const [, payload] = String(oidc.params?.id_token_hint ?? '').split('.')
  if (payload === undefined) return undefined
  const { sub } = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as { sub?: string }
  return sub
}

/**
 * Whether the sign-in is older than the request's `max_age` allows. A step-up after an old password does not help; a
 * password that was entered for this very request does, however long the code took (X3). The age is that of the
 * oldest proof that counts (OA-10), whatever an earlier request of this session was told.
 */
function tooOld(
  ctx: KoaContextWithOIDC,
  record: SessionProofs | undefined,
  given: { lookup: MethodLookup; now: number },
): boolean {
  const { params, session } = ctx.oidc
  if (params?.max_age === undefined) return false
  if (session?.accountId === undefined || record === undefined) return true
  if (result(ctx)?.login?.fresh === true) return false
  const best = highest(satisfiedBy(record.proofs, given.lookup))
  const oldest = best && provenAt(record.proofs, best, given.lookup)
  // In whole seconds, like `auth_time`.
  return oldest === undefined || Math.floor(given.now / 1000) - Math.floor(oldest / 1000) > Number(params.max_age)
}

/**
 * Whether the session falls short of what policy demands. This is the check behind all pages: it goes by what the
 * session proves, never by what a page claims. Where the request is admitted, it also sets what its tokens will say.
 */
async function fallsShort(
  ctx: KoaContextWithOIDC,
  records: SessionRecords,
  { decider, acr, admissions, trail }: PromptDependencies,
): Promise<boolean> {
  const record = await records.of(ctx)
  const account = accountOf(ctx)
  const { client, params } = ctx.oidc
  if (account === undefined || record === undefined || client === undefined) return true
  const asked = requestedAcr(params ?? {}, acr)
  if (asked.unsupported) {
    throw new errors.UnmetAuthenticationRequirements('none of the requested acr values is supported')
  }
  const demanded = await decider.demand({
    account,
    client: {
      id: client.clientId,
      require: client.require as Level | undefined,
      own: client.own as OwnPage | undefined,
    },
    address: ctx.ip,
    requested: asked.levels,
  })
  if (demanded.deny) throw new errors.AccessDenied(undefined, 'access to this application is not allowed')
  const admission = await admissions.of(record, account, { demanded, asOf: result(ctx)?.asOf })
  if (admission.ok) {
    await records.admitted(ctx)
    const levels = satisfiedBy(admission.live, decider.lookup)
    stamp(ctx, admission.live, { decider, acr, levels, values: asked.values, floor: demanded.require })
    return false
  }
  const facts = { account: account.id, client: client.clientId, ip: ctx.ip }
  const details = { reasons: [...demanded.reasons] }
  // One step-up in a request is all: after it, the answer is an error.
  if (result(ctx)?.stepUp === true) trail.record({ event: 'step_up.fail', outcome: 'fail', ...facts, details })
  else trail.record({ event: 'step_up.required', outcome: 'ok', ...facts, details })
  return true
}

/**
 * What the tokens of a request are told: the levels reached, the `acr` values asked for, and the lowest level
 * demanded.
 */
interface Emission {
  decider: Decider
  acr: AcrNames
  levels: ReadonlySet<Level>
  values: readonly string[]
  floor: Level
}

function stamp(
  ctx: KoaContextWithOIDC,
  live: readonly Proof[],
  { decider, acr, levels, values, floor }: Emission,
): void {
  const { session } = ctx.oidc
  const best = highest(levels)
  if (session === undefined || best === undefined) throw new Error('a session without a level passed the policy')
  const emitted = acr.emitted(levels, values, { best, floor })
  const oldest = provenAt(live, acr.levelOf(emitted) ?? best, decider.lookup)
  const amr = amrOf(live, decider.lookup)
  if (oldest === undefined) throw new Error('a level without proofs passed the policy')
  const loginTs = Math.floor(oldest / 1000)
  if (session.acr !== acr.nameOf(best)) session.acr = acr.nameOf(best)
  if (session.loginTs !== loginTs) session.loginTs = loginTs
  if (session.amr?.join(' ') !== amr.join(' ')) session.amr = amr
  // Every ID token names its session; the engine itself does so only where the claim was asked for.
  const { claims } = ctx.oidc
  claims.id_token = { ...claims.id_token, sid: null }
  // The engine's own getter answers the acr of the session; this request may have asked for another one that is
  // satisfied too.
  Object.defineProperty(ctx.oidc, 'acr', { value: emitted })
}
