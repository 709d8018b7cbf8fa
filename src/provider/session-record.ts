import type { KoaContextWithOIDC } from 'oidc-provider'
import { MINUTE } from '../kernel/clock.ts'
import type { Parties, SessionProofs } from '../mfa/session/session-proofs.ts'

/** What a request tells about its session. Times are milliseconds since the epoch. */
export interface RequestFacts {
  /** The request's client, as the engine keeps it with the session; empty before it has a grant. */
  party: Parties
  userAgent: string
  now: number
  /** How long a refresh token that this request may lead to can live beyond the session; 0: none. */
  offlineUntil: number
}

/** The last use is known to this precision, so that a usual request writes nothing. */
const PRECISION = 5 * MINUTE
/** More of a User-Agent header is not kept. */
const USER_AGENT_LENGTH = 256

/** `refresh`: milliseconds that a refresh token can live. */
export function requestFactsOf(
  ctx: KoaContextWithOIDC,
  { now, refresh }: { now: number; refresh: number },
): RequestFacts {
  return {
    party: partyOf(ctx),
    userAgent: ctx.get('user-agent').slice(0, USER_AGENT_LENGTH),
    now,
    offlineUntil: ctx.oidc.requestParamScopes.has('offline_access') ? now + refresh : 0,
  }
}

/** The record after a finished sign-in has `brought` its proofs. `before`: the record of the same session until now. */
export function afterSignIn(
  brought: SessionProofs,
  before: SessionProofs | undefined,
  { party, userAgent, now, offlineUntil }: RequestFacts,
): SessionProofs {
  return {
    ...brought,
    parties: { ...(before?.accountId === brought.accountId && before.parties), ...party },
    userAgent,
    lastUsedAt: now,
    keptUntil: keptUntil(brought, before, offlineUntil),
  }
}

/** The record after a request was admitted; undefined where it says all of that already. */
export function afterUse(found: SessionProofs, { party, now, offlineUntil }: RequestFacts): SessionProofs | undefined {
  const known = Object.entries(party).every(([id, at]) => samePlace(found.parties?.[id], at))
  const used = now - (found.lastUsedAt ?? found.startedAt) >= PRECISION
  const until = keptUntil(found, found, offlineUntil)
  if (known && !used && until <= (found.keptUntil ?? found.expiresAt)) return undefined
  return { ...found, parties: { ...found.parties, ...(!known && party) }, lastUsedAt: now, keptUntil: until }
}

/**
 * What is recorded of the proofs that a sign-in has `brought`: a new session, or more proved in one; undefined:
 * neither.
 */
export function eventOf(
  brought: SessionProofs,
  before: SessionProofs | undefined,
): 'session.created' | 'step_up.ok' | undefined {
  if (before?.startedAt !== brought.startedAt) return 'session.created'
  // After the consent page the engine brings the same proofs once more.
  return before.proofs.length === brought.proofs.length && sameTimes(before, brought) ? undefined : 'step_up.ok'
}

/**
 * Proofs are asked for again at each refresh, so they are kept as long as any token of the session can be refreshed.
 */
function keptUntil(record: SessionProofs, before: SessionProofs | undefined, offlineUntil: number): number {
  return Math.max(record.expiresAt, before?.keptUntil ?? 0, offlineUntil)
}

function partyOf({ oidc: { client, session } }: KoaContextWithOIDC): Parties {
  if (client === undefined || session === undefined) return {}
  const { sid, grantId } = session.authorizations?.[client.clientId] ?? {}
  return grantId === undefined ? {} : { [client.clientId]: { sid, grantId } }
}

const samePlace = (left: Parties[string] | undefined, right: Parties[string]): boolean =>
  left !== undefined && left.sid === right.sid && left.grantId === right.grantId

const sameTimes = (left: SessionProofs, right: SessionProofs): boolean =>
  left.proofs.every(({ method, at }, index) => right.proofs[index]?.method === method && right.proofs[index]?.at === at)
