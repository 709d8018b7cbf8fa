import type { default as Provider } from 'oidc-provider'
import type { Account } from '../accounts/account.ts'
import type { AuditTrail } from '../audit/audit.ts'
import { OWN_CLIENTS } from '../config/own-clients.ts'
import { type Clock, SECOND } from '../kernel/clock.ts'
import { UnavailableError } from '../kernel/errors.ts'
import {
  aliveFor,
  markEnded,
  type Parties,
  type SessionProofRecords,
  type SessionProofs,
  sessionsOf,
} from '../mfa/session/session-proofs.ts'
import type { Sessions, SessionView } from '../mfa/session/sessions.ts'
import type { StateStore } from '../state/store.ts'
import type { BackChannel } from './back-channel.ts'

export interface SessionsDependencies {
  provider: Provider
  backChannel: BackChannel
  proofs: SessionProofRecords
  state: StateStore
  trail: AuditTrail
  clock: Clock
}

type EngineSession = NonNullable<Awaited<ReturnType<Provider['Session']['findByUid']>>>

/** What happens to offline access. `kept`: it goes on, as after a sign-out (LO-3). */
type Offline = 'kept' | 'ended'

/**
 * Sessions, as the account page and the commands list and end them. An end begins with a mark on the session's
 * proofs: from then on no request of this session is admitted, and the list of its clients is final.
 */
export function createSessions({ provider, backChannel, proofs, state, trail, clock }: SessionsDependencies): Sessions {
  async function viewOf(account: Account, uid: string): Promise<SessionView | undefined> {
    const [found, session] = await Promise.all([proofs.get(uid), provider.Session.findByUid(uid)])
    const record = found?.value
    if (record === undefined || session === undefined || session.accountId !== account.id) return undefined
    if (record.ended === true || !aliveFor(account, record) || clock.now() >= record.expiresAt) return undefined
    return {
      id: uid,
      startedAt: record.startedAt,
      lastUsedAt: record.lastUsedAt ?? record.startedAt,
      expiresAt: Math.min(record.expiresAt, Number(session.exp) * SECOND),
      userAgent: record.userAgent ?? '',
      address: record.address,
      clients: named(partiesOf(session)),
      methods: [...new Set(record.proofs.map(({ method }) => method))],
    }
  }

  /** Ends a session that is marked already. Answers whether somebody was signed in there. */
  async function end(uid: string, before: SessionProofs, offline: Offline): Promise<boolean> {
    const { accountId } = before
    const session = await provider.Session.findByUid(uid)
    const parties = { ...before.parties, ...(session && partiesOf(session)) }
    const lasting = (clientId: string) => session?.authorizationFor(clientId).persistsLogout === true
    const revoked = Object.entries(offline === 'ended' ? parties : session ? partiesOf(session) : {}).filter(
      ([clientId]) => offline === 'ended' || !lasting(clientId),
    )
    await Promise.all(revoked.map(([, { grantId }]) => revoke(provider, grantId)))
    await session?.destroy()
    if (before.ended === true && session === undefined) return false
    const clients = named(parties)
    trail.record({ event: 'session.ended', outcome: 'ok', account: accountId, details: { clients, offline } })
    for (const [clientId, { sid }] of Object.entries(parties)) void backChannel.tell({ clientId, accountId, sid })
    return session !== undefined
  }

  /** Ends one of the account's sessions with its offline access, also when the engine has forgotten it. */
  async function endKept(accountId: string, uid: string): Promise<boolean> {
    const before = await markEnded(proofs, uid, clock)
    const ended = before?.accountId === accountId && (await end(uid, before, 'ended'))
    await state.indexRemove(sessionsOf(accountId), uid)
    return ended
  }

  return {
    list: failing(async (account) => {
      const uids = await state.indexList(sessionsOf(account.id))
      const views = await Promise.all(uids.map((uid) => viewOf(account, uid)))
      return views.filter((view) => view !== undefined).toSorted((left, right) => right.lastUsedAt - left.lastUsedAt)
    }),
    end: failing(async (accountId, id) => {
      if ((await proofs.get(id))?.value.accountId !== accountId) return false
      const before = await markEnded(proofs, id, clock)
      return before !== undefined && (await end(id, before, 'kept'))
    }),
    endAll: failing(async (accountId, options = {}) => {
      const uids = await state.indexList(sessionsOf(accountId))
      const others = uids.filter((uid) => uid !== options.except)
      const ended = await Promise.all(others.map((uid) => endKept(accountId, uid)))
      return ended.filter(Boolean).length
    }),
  }
}

function partiesOf({ authorizations = {} }: EngineSession): Parties {
  return Object.fromEntries(
    Object.entries(authorizations).flatMap(([clientId, { sid, grantId }]) =>
      grantId === undefined ? [] : [[clientId, { sid, grantId }]],
    ),
  )
}

const OWN: ReadonlySet<string> = new Set(Object.values(OWN_CLIENTS))

/** The ids of the clients, without the gateway's own ones: nobody takes its account page for an application. */
const named = (parties: Parties): string[] => Object.keys(parties).filter((clientId) => !OWN.has(clientId))

async function revoke(provider: Provider, grantId: string): Promise<void> {
  await Promise.all([
    provider.AccessToken.revokeByGrantId(grantId),
    provider.RefreshToken.revokeByGrantId(grantId),
    provider.AuthorizationCode.revokeByGrantId(grantId),
  ])
  await (await provider.Grant.find(grantId))?.destroy()
}

/**
 * The engine's adapter turns a store that is down into an error of the protocol; callers of this port expect
 * `UnavailableError` (FA-5).
 */
function failing<A extends unknown[], R>(work: (...given: A) => Promise<R>): (...given: A) => Promise<R> {
  return async (...given) => {
    try {
      return await work(...given)
    } catch (error) {
      throw error instanceof Error && error.cause instanceof UnavailableError ? error.cause : error
    }
  }
}
