import { errors, type KoaContextWithOIDC } from 'oidc-provider'
import { type AcrNames, requestedAcr } from '../mfa/assurance/acr.ts'
import { amrOf, provenAt, satisfiedBy } from '../mfa/assurance/assurance.ts'
import { LEVELS, type Level } from '../mfa/assurance/levels.ts'
import type { Proof } from '../mfa/factors/verifier.ts'
import type { Admissions } from '../mfa/policy/admission.ts'
import type { Decider } from '../mfa/policy/decider.ts'
import type { OwnPage } from '../mfa/policy/policy.ts'
import { accountOf } from './engine-account.ts'
import type { SessionRecords, SessionRecordsDependencies } from './session-records.ts'
import { resultIn } from './sign-in-result.ts'

export interface LevelCheckDependencies extends SessionRecordsDependencies {
  decider: Decider
  acr: AcrNames
  admissions: Admissions
}

/**
 * Whether the session falls short of what policy demands. This is the check behind all pages: it goes by what the
 * session proves, never by what a page claims. Where the request is admitted, it also sets what its tokens will say.
 */
export async function fallsShort(
  ctx: KoaContextWithOIDC,
  records: SessionRecords,
  { decider, acr, admissions, trail }: LevelCheckDependencies,
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
  const admission = await admissions.of(record, account, { demanded, asOf: resultIn(ctx)?.asOf })
  if (admission.ok) {
    await records.admitted(ctx)
    const levels = satisfiedBy(admission.live, decider.lookup)
    stamp(ctx, admission.live, { decider, acr, levels, values: asked.values, floor: demanded.require })
    return false
  }
  const facts = { account: account.id, client: client.clientId, ip: ctx.ip }
  const details = { reasons: [...demanded.reasons] }
  // One step-up in a request is all: after it, the answer is an error.
  if (resultIn(ctx)?.stepUp === true) trail.record({ event: 'step_up.fail', outcome: 'fail', ...facts, details })
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

/** Sets what the tokens of this request say of what was proved. */
function stamp(
  ctx: KoaContextWithOIDC,
  live: readonly Proof[],
  { decider, acr, levels, values, floor }: Emission,
): void {
  const { session } = ctx.oidc
  const best = LEVELS.highest(levels)
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
