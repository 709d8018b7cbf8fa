import { type Arrivals, arrive, type Loss } from './arrivals.ts'
import { createSend, type Send } from './browser.ts'
import { type Crowd, createCrowd, type Member } from './crowd.ts'
import { type Party, signIn } from './sign-in.ts'

/** What the benchmark asks of its load generator, a process of its own (`process.send`). */
export type Order =
  | { do: 'meet'; crowd: string; members: Member[] }
  | { do: 'prepare'; crowd: string; signIns: number }
  | { do: 'sign-in'; crowd: string; party: PartyAddress; signIns: number; concurrency: number; remember: boolean }
  | ({ do: 'arrive'; crowd: string; party: PartyAddress } & Arrivals)

export type PartyAddress = Pick<Party, 'issuer' | 'clientId' | 'clientSecret' | 'redirectUri'>

export interface Load {
  /** Milliseconds of each sign-in. */
  durations: number[]
  /** Milliseconds of all of them. */
  elapsed: number
  /** Of one sign-in, on average. */
  requests: number
  responseBytes: number
  /** Of arrivals only: elsewhere the first lost sign-in ends the run. */
  lost: Loss[]
}

export type Reply = { ok: true; load?: Load } | { ok: false; reason: string }

const crowds = new Map<string, Crowd>()

process.on('message', (order: Order) => {
  obey(order).then(
    (load) => reply({ ok: true, ...(load && { load }) }),
    (error: unknown) => reply({ ok: false, reason: error instanceof Error ? (error.stack ?? '') : String(error) }),
  )
})

function reply(message: Reply): void {
  process.send?.(message)
}

async function obey(order: Order): Promise<Load | undefined> {
  if (order.do === 'meet') {
    crowds.set(order.crowd, createCrowd(order.members))
    return undefined
  }
  const crowd = crowds.get(order.crowd)
  if (crowd === undefined) throw new Error(`nobody of ${order.crowd} is known`)
  if (order.do === 'prepare') {
    await crowd.ready(order.signIns)
    return undefined
  }
  return order.do === 'arrive' ? runArrivals(order, crowd) : run(order, crowd)
}

async function run(order: Extract<Order, { do: 'sign-in' }>, crowd: Crowd): Promise<Load> {
  const { signIns, concurrency, remember } = order
  // Connections are those of this run: between two runs the server closes what lies idle.
  const { send, close } = createSend({ connections: concurrency })
  const party = await discover(order.party, send)
  const durations: number[] = []
  let requests = 0
  let bytes = 0
  let begun = 0
  const started = performance.now()
  const one = async (): Promise<void> => {
    while (begun < signIns) {
      begun += 1
      const done = await signIn(party, { ...crowd.next(), remember }, send)
      durations.push(done.duration)
      requests += done.requests
      bytes += done.bytes
    }
  }
  await Promise.all(Array.from({ length: concurrency }, one))
  const elapsed = performance.now() - started
  close()
  return { durations, elapsed, requests: requests / signIns, responseBytes: bytes / signIns, lost: [] }
}

async function runArrivals(order: Extract<Order, { do: 'arrive' }>, crowd: Crowd): Promise<Load> {
  const { send, close } = createSend({ connections: Number.POSITIVE_INFINITY })
  const party = await discover(order.party, send)
  const load = await arrive(order, { next: crowd.next, signIn: (person) => signIn(party, person, send) })
  close()
  return load
}

async function discover(party: PartyAddress, send: Send): Promise<Party> {
  const answer = await send(new URL(`${party.issuer}/.well-known/openid-configuration`))
  if (answer.status !== 200) throw new Error(`discovery: ${answer.status} ${answer.body}`)
  const found = JSON.parse(answer.body) as Record<string, string>
  const endpoint = (name: string): string => {
    const url = found[name]
    if (url === undefined) throw new Error(`discovery: no ${name}`)
    return url
  }
  return {
    ...party,
    authorizationEndpoint: endpoint('authorization_endpoint'),
    tokenEndpoint: endpoint('token_endpoint'),
    userinfoEndpoint: endpoint('userinfo_endpoint'),
  }
}
