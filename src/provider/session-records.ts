import { errors, type KoaContextWithOIDC } from 'oidc-provider'
import type { AuditTrail } from '../audit/audit.ts'
import { type Clock, MINUTE } from '../kernel/clock.ts'
import { UnavailableError } from '../kernel/errors.ts'
import {
  keepForAccount,
  type Parties,
  type SessionProofRecords,
  type SessionProofs,
} from '../mfa/session/session-proofs.ts'
import type { Versioned } from '../state/records.ts'
import type { StateStore } from '../state/store.ts'
import { StoreUnavailableError } from './store-down.ts'

export interface SessionRecordsDependencies {
  proofs: SessionProofRecords
  state: Pick<StateStore, 'indexAdd'>
  trail: AuditTrail
  clock: Clock
  /** Milliseconds: how long a refresh token can live that outlives its session. */
  refresh: number
}

/** What the pages brought to this request with their one finish. */
interface Brought {
  proofs?: SessionProofs
  stepUp?: true
}

/** The proofs of the request's session. */
export interface SessionRecords {
  /** Read once per request; those that a finished sign-in brings are stored first. */
  of(ctx: KoaContextWithOIDC): Promise<SessionProofs | undefined>
  /** The request is admitted: from now on its client belongs to the session. Throws LoginRequired when the session ended meanwhile. */
  admitted(ctx: KoaContextWithOIDC): Promise<void>
}

/** The last use is known to this precision, so that a usual request writes nothing. */
const PRECISION = 5 * MINUTE
/** As long as anybody's browser says it is. */
const USER_AGENT_LENGTH = 256
const RACES = 10

export function createSessionRecords({
  proofs,
  state,
  trail,
  clock,
  refresh,
}: SessionRecordsDependencies): SessionRecords {
  const readings = new WeakMap<KoaContextWithOIDC, Promise<Versioned<SessionProofs> | undefined>>()

  /** What was proved is asked again at each refresh, so it is kept as long as any token of the session can be refreshed. */
  function keptUntil(ctx: KoaContextWithOIDC, record: SessionProofs, before: SessionProofs | undefined): number {
    const offline = ctx.oidc.requestParamScopes.has('offline_access') ? clock.now() + refresh : 0
    return Math.max(record.expiresAt, before?.keptUntil ?? 0, offline)
  }

  async function write(
    uid: string,
    kept: SessionProofs,
    before: Versioned<SessionProofs> | undefined,
  ): Promise<boolean> {
    const ttl = Math.max(1, (kept.keptUntil ?? kept.expiresAt) - clock.now())
    const [written] = await Promise.all([
      before === undefined ? proofs.add(uid, kept, ttl) : proofs.replace(uid, before.version, kept, ttl),
      keepForAccount(state, { accountId: kept.accountId, uid, ttl }),
    ])
    return written
  }

  async function store(
    ctx: KoaContextWithOIDC,
    uid: string,
    brought: SessionProofs,
  ): Promise<Versioned<SessionProofs>> {
    const fresh = (ctx.oidc.session as { new?: boolean } | undefined)?.new === true
    for (let tries = 0; tries < RACES; tries += 1) {
      const before = fresh && tries === 0 ? undefined : await proofs.get(uid)
      // It was ended while its page was open; only a sign-in from the start brings the browser a new one.
      if (before?.value.ended === true && before.value.startedAt === brought.startedAt) return before
      const kept: SessionProofs = {
        ...brought,
        parties: { ...(before?.value.accountId === brought.accountId && before.value.parties), ...partyOf(ctx) },
        userAgent: ctx.get('user-agent').slice(0, USER_AGENT_LENGTH),
        lastUsedAt: clock.now(),
        keptUntil: keptUntil(ctx, brought, before?.value),
      }
      if (!(await write(uid, kept, before))) continue
      tell(ctx, brought, before?.value)
      return { value: kept, version: '' }
    }
    throw new StoreUnavailableError(new UnavailableError('session proofs'))
  }

  function tell(ctx: KoaContextWithOIDC, brought: SessionProofs, before: SessionProofs | undefined): void {
    const goesOn = before?.startedAt === brought.startedAt
    // After the consent page the engine brings the same once more.
    if (goesOn && before.proofs.length === brought.proofs.length && sameTimes(before, brought)) return
    trail.record({
      event: goesOn ? 'step_up.ok' : 'session.created',
      outcome: 'ok',
      account: brought.accountId,
      client: ctx.oidc.client?.clientId,
      ip: ctx.ip,
      details: { methods: brought.proofs.map((proof) => proof.method), remembered: brought.device !== undefined },
    })
  }

  async function read(ctx: KoaContextWithOIDC): Promise<Versioned<SessionProofs> | undefined> {
    const { session } = ctx.oidc
    if (session === undefined) return undefined
    const brought = (ctx.oidc.result as Brought | undefined)?.proofs
    return brought === undefined ? proofs.get(session.uid) : store(ctx, session.uid, brought)
  }

  function reading(ctx: KoaContextWithOIDC): Promise<Versioned<SessionProofs> | undefined> {
    const known = readings.get(ctx) ?? read(ctx)
    readings.set(ctx, known)
    return known
  }

  /** Undefined: it stands there already. */
  function noted(ctx: KoaContextWithOIDC, found: SessionProofs): SessionProofs | undefined {
    const now = clock.now()
    const party = partyOf(ctx)
    const parties = Object.entries(party).every(([id, at]) => samePlace(found.parties?.[id], at)) ? undefined : party
    const used = now - (found.lastUsedAt ?? found.startedAt) >= PRECISION
    const until = keptUntil(ctx, found, found)
    if (parties === undefined && !used && until <= (found.keptUntil ?? found.expiresAt)) return undefined
    return { ...found, parties: { ...found.parties, ...parties }, lastUsedAt: now, keptUntil: until }
  }

  return {
    of: async (ctx) => (await reading(ctx))?.value,
    async admitted(ctx) {
      const { session } = ctx.oidc
      if (session === undefined || (ctx.oidc.result as Brought | undefined)?.proofs !== undefined) return
      let found = await reading(ctx)
      for (let tries = 0; tries < RACES; tries += 1) {
        // Whoever ends a session reads its clients once it is marked: one that came in later would be missed.
        if (found === undefined || found.value.ended === true) throw new errors.LoginRequired('the session has ended')
        const next = noted(ctx, found.value)
        if (next === undefined || (await write(session.uid, next, found))) return
        found = await proofs.get(session.uid)
      }
      throw new StoreUnavailableError(new UnavailableError('session proofs'))
    },
  }
}

/** The request's client as the engine keeps it with the session; nothing before it has a grant. */
function partyOf({ oidc: { client, session } }: KoaContextWithOIDC): Parties {
  if (client === undefined || session === undefined) return {}
  const { sid, grantId } = session.authorizations?.[client.clientId] ?? {}
  return grantId === undefined ? {} : { [client.clientId]: { sid, grantId } }
}

const samePlace = (left: Parties[string] | undefined, right: Parties[string]): boolean =>
  left !== undefined && left.sid === right.sid && left.grantId === right.grantId

const sameTimes = (left: SessionProofs, right: SessionProofs): boolean =>
  left.proofs.every(({ method, at }, index) => right.proofs[index]?.method === method && right.proofs[index]?.at === at)
