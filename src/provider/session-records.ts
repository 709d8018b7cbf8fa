import { errors, type KoaContextWithOIDC } from 'oidc-provider'
import type { AuditTrail } from '../audit/audit.ts'
import type { Clock } from '../kernel/clock.ts'
import { UnavailableError } from '../kernel/errors.ts'
import { keepForAccount, type SessionProofRecords, type SessionProofs } from '../mfa/session/session-proofs.ts'
import type { Versioned } from '../state/records.ts'
import type { StateStore } from '../state/store.ts'
import { afterSignIn, afterUse, eventOf, requestFactsOf } from './session-record.ts'
import { resultIn } from './sign-in-result.ts'
import { StoreUnavailableError } from './store-down.ts'

export interface SessionRecordsDependencies {
  proofs: SessionProofRecords
  state: Pick<StateStore, 'indexAdd'>
  trail: AuditTrail
  clock: Clock
  /** Milliseconds: how long a refresh token can live that outlives its session. */
  refresh: number
}

/** The proofs of the request's session. */
export interface SessionRecords {
  /** Read once for each request; those that a finished sign-in brings are stored first. */
  of(ctx: KoaContextWithOIDC): Promise<SessionProofs | undefined>
  /**
   * The request is admitted: from now on its client belongs to the session. Throws LoginRequired when the session
   * ended meanwhile.
   */
  admitted(ctx: KoaContextWithOIDC): Promise<void>
}

/** How often it is tried again when another request writes in between. */
const RACES = 10

export function createSessionRecords(dependencies: SessionRecordsDependencies): SessionRecords {
  const { proofs, state, trail, clock, refresh } = dependencies
  const readings = new WeakMap<KoaContextWithOIDC, Promise<Versioned<SessionProofs> | undefined>>()
  const factsOf = (ctx: KoaContextWithOIDC) => requestFactsOf(ctx, { now: clock.now(), refresh })

  /** False: somebody else has written in between. */
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

  /** Stores what a finished sign-in has brought. */
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
      const kept = afterSignIn(brought, before?.value, factsOf(ctx))
      if (!(await write(uid, kept, before))) continue
      record(ctx, brought, before?.value)
      return { value: kept, version: '' }
    }
    throw new StoreUnavailableError(new UnavailableError('session proofs'))
  }

  function record(ctx: KoaContextWithOIDC, brought: SessionProofs, before: SessionProofs | undefined): void {
    const event = eventOf(brought, before)
    if (event === undefined) return
    const { accountId: account, proofs, device } = brought
    const details = { methods: proofs.map(({ method }) => method), remembered: device !== undefined }
    trail.record({ event, outcome: 'ok', account, client: ctx.oidc.client?.clientId, ip: ctx.ip, details })
  }

  async function read(ctx: KoaContextWithOIDC): Promise<Versioned<SessionProofs> | undefined> {
    const { session } = ctx.oidc
    if (session === undefined) return undefined
    const brought = resultIn(ctx)?.proofs
    return brought === undefined ? proofs.get(session.uid) : store(ctx, session.uid, brought)
  }

  function reading(ctx: KoaContextWithOIDC): Promise<Versioned<SessionProofs> | undefined> {
    const known = readings.get(ctx) ?? read(ctx)
    readings.set(ctx, known)
    return known
  }

  return {
    of: async (ctx) => (await reading(ctx))?.value,
    async admitted(ctx) {
      const { session } = ctx.oidc
      if (session === undefined || resultIn(ctx)?.proofs !== undefined) return
      let found = await reading(ctx)
      for (let tries = 0; tries < RACES; tries += 1) {
        // Whoever ends a session marks it first and reads its clients then: one that was added later would not be told.
        if (found === undefined || found.value.ended === true) throw new errors.LoginRequired('the session has ended')
        const next = afterUse(found.value, factsOf(ctx))
        if (next === undefined || (await write(session.uid, next, found))) return
        found = await proofs.get(session.uid)
      }
      throw new StoreUnavailableError(new UnavailableError('session proofs'))
    },
  }
}
