import { setTimeout as pause } from 'node:timers/promises'
import type { KoaContextWithOIDC, default as Provider } from 'oidc-provider'
import type { AuditTrail } from '../audit/audit.ts'
import type { Log } from '../kernel/log.ts'

/** Whose session has ended at which relying party. */
export interface Ended {
  clientId: string
  accountId: string
  sid: string | undefined
}

/** Back-channel logout (LO-4): each relying party is told once, and again where it did not answer; whoever signs out never waits for that (LO-5). */
export interface BackChannel {
  /** Answers whether it was told, or has nowhere to be told. Never rejects. */
  tell(ended: Ended): Promise<boolean>
  /** Waits for what is still on its way; answers the clients that could not be reached since the last call. */
  settled(): Promise<string[]>
}

type Client = NonNullable<Awaited<ReturnType<Provider['Client']['find']>>>
/** The engine's, which its types leave out: a logout token of two minutes, posted within 2.5 seconds, redirects not followed. */
type BackchannelLogout = (this: unknown, accountId: string, sid: string | undefined) => Promise<void>

/** Milliseconds before the second and the third try. */
const PAUSES = [500, 2000] as const

export function createBackChannel(provider: Provider, { trail, log }: { trail: AuditTrail; log: Log }): BackChannel {
  const underWay = new Set<Promise<unknown>>()
  /** A gateway that runs for months asks for it only at its end: no more than there are clients. */
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

  /** `error`: of the try before, if there was one. */
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

  // At its own sign-out page the engine makes the first try and waits for it; the others are made behind the page.
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
    // It has left the configuration, or does not want to hear of it.
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
