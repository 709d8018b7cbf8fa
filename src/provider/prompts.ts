import { errors, interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider'
import { type MethodLookup, provenAt, satisfiedBy } from '../mfa/assurance/assurance.ts'
import { LEVELS } from '../mfa/assurance/levels.ts'
import { aliveFor, type SessionProofs } from '../mfa/session/session-proofs.ts'
import { accountOf } from './engine-account.ts'
import { fallsShort, type LevelCheckDependencies } from './level-check.ts'
import { createSessionRecords } from './session-records.ts'
import { resultIn } from './sign-in-result.ts'

/**
 * Which pages an authorization request needs: the password, then what is missing of the demanded level, then consent.
 */
export function createPromptPolicy(dependencies: LevelCheckDependencies): interactionPolicy.DefaultPolicy {
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
      const wanted = resultIn(ctx)?.login && subjectOf(ctx)
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
        if (short && resultIn(ctx)?.stepUp === true) {
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
  if (resultIn(ctx)?.login?.fresh === true) return false
  const best = LEVELS.highest(satisfiedBy(record.proofs, given.lookup))
  const oldest = best && provenAt(record.proofs, best, given.lookup)
  // In whole seconds, like `auth_time`.
  return oldest === undefined || Math.floor(given.now / 1000) - Math.floor(oldest / 1000) > Number(params.max_age)
}
