import { setTimeout as pause } from 'node:timers/promises'
import type { KoaContextWithOIDC, default as Provider } from 'oidc-provider'
import type { AuditTrail } from '../audit/audit.ts'
import type { Log } from '../kernel/log.ts'

/** A session that has ended at a relying party. */
interface Ended {
  clientId: string
  accountId: string
  sid: string | undefined
}

/**
 * Back-channel logout: relying parties are told when a session ends (LO-4), and told again when they did not answer.
 * Nobody who signs out waits for a second try (LO-5).
 */
export interface BackChannel {
  /** Answers whether the relying party was told, or has no address for that. Never rejects. */
  tell(ended: Ended): Promise<boolean>
  /** Waits for what is still on its way; answers the clients that could not be reached since the last call. */
  settled(): Promise<string[]>
}

type Client = NonNullable<Awaited<ReturnType<Provider['Client']['find']>>>
/**
 * The engine's own method, which its types leave out: it posts a logout token that lives two minutes, waits 2.5
 * seconds at most, and follows no redirect.
 */
type BackchannelLogout = (this: unknown, accountId: string, sid: string | undefined) => Promise<void>

/** Milliseconds before the second and the third try. */
const PAUSES = [500, 2000] as const

export function createBackChannel(provider: Provider, { trail, log }: { trail: AuditTrail; log: Log }): BackChannel {
  const underWay = new Set<Promise<unknown>>()
  /** Client ids. A set, because a gateway that runs for months asks for it only at its end. */
  const unreached = new Set<string>()

  function onItsWay<T>(delivery: Promise<T>): Promise<T> {
    underWay.add(delivery)
    return delivery.finally(() => underWay.delete(delivery))
  }

  function record({ clientId, accountId }: Ended, failure?: { error: unknown; tries: number }): void {
    const facts = { account: accountId, client: clientId }
    if (failure === undefined) {
      trail.record({ event: 'backchannel.ok', outcome: 'ok', ...facts })
      return
    }
    const { error, tries } = failure
    unreached.add(clientId)
    log.warn('back-channel logout was not delivered', { client: clientId, tries, error })
    trail.record({ event: 'backchannel.fail', outcome: 'fail', ...facts, details: { tries } })
  }

  async function attempt(client: Client, ended: Ended): Promise<unknown> {
    try {
      await (client.backchannelLogout as BackchannelLogout).call(client, ended.accountId, ended.sid)
      return undefined
    } catch (error) {
      return error ?? new Error('it was not delivered')
    }
  }

  /** Tries until the relying party answers, or all tries are over. `error`: of a try that was made already. */
  async function deliver(client: Client, ended: Ended, error?: unknown): Promise<boolean> {
    let failure = error ?? (await attempt(client, ended))
    for (const wait of PAUSES) {
      if (failure === undefined) break
      await pause(wait)
      failure = await attempt(client, ended)
    }
    record(ended, failure === undefined ? undefined : { error: failure, tries: PAUSES.length + 1 })
    return failure === undefined
  }

  // At its own sign-out page the engine makes the first try and waits for it; the further tries are made here, behind
  // the page.
  const endedIn = (client: Client, accountId: string, sid: string | undefined): Ended => ({
    clientId: client.clientId,
    accountId,
    sid,
  })
  provider.on('backchannel.success', (_ctx: KoaContextWithOIDC, client, accountId, sid) =>
    record(endedIn(client, accountId, sid)),
  )
  provider.on('backchannel.error', (_ctx: KoaContextWithOIDC, error, client, accountId, sid) => {
    void onItsWay(deliver(client, endedIn(client, accountId, sid), error))
  })

  async function told(ended: Ended): Promise<boolean> {
    const client = await provider.Client.find(ended.clientId)
    // A client that has left the configuration, or has no address for this, needs not be told.
    return client?.backchannelLogoutUri === undefined || deliver(client, ended)
  }

  return {
    tell: (ended) => onItsWay(told(ended)),
    async settled() {
      while (underWay.size > 0) await Promise.all(underWay)
      const clients = [...unreached]
      unreached.clear()
      return clients
    },
  }
}
