import { setTimeout as pause } from 'node:timers/promises'
import type { Crowd } from './crowd.ts'
import type { Load } from './load.ts'
import type { Person, SignedIn } from './sign-in.ts'

/** An open loop: sign-ins begin on schedule, however many are still under way. */
export interface Arrivals {
  signIns: number
  /** How many begin in a second. */
  rate: number
  /** At most so many milliseconds pass between a page and its form, half of it on average. */
  think: number
}

/** A sign-in that was begun and has no end as it should be. */
export interface Loss {
  username: string
  /** After the first sign-in began. */
  begunAt: number
  lostAt: number
  reason: string
}

/** Nobody waits longer, thinking included; in milliseconds. */
const PATIENCE = 60_000

/** A duration counts from the scheduled beginning: a visitor who was kept waiting at the door waited too. */
export async function arrive(
  { signIns, rate, think }: Arrivals,
  { next, signIn }: Pick<Crowd, 'next'> & { signIn(person: Person): Promise<SignedIn> },
): Promise<Load> {
  const done: (SignedIn & { total: number })[] = []
  const lost: Loss[] = []
  const started = performance.now()
  const since = (moment: number): number => Math.round(moment - started)
  const follow = async (person: Person, due: number): Promise<void> => {
    try {
      const signedIn = await inTime(signIn(person))
      done.push({ ...signedIn, total: performance.now() - due - signedIn.thought })
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      lost.push({ username: person.username, begunAt: since(due), lostAt: since(performance.now()), reason })
    }
  }
  const underWay: Promise<void>[] = []
  for (let begun = 0; begun < signIns; begun++) {
    const due = started + (begun * 1000) / rate
    await pause(Math.max(0, due - performance.now()))
    const thinking = (): Promise<void> => pause(Math.random() * think)
    underWay.push(follow({ ...next(), remember: begun % 2 === 0, think: thinking }, due))
  }
  await Promise.all(underWay)
  const average = (of: (signedIn: SignedIn) => number): number =>
    done.reduce((sum, signedIn) => sum + of(signedIn), 0) / done.length
  return {
    durations: done.map(({ total }) => total),
    elapsed: performance.now() - started,
    requests: average(({ requests }) => requests),
    responseBytes: average(({ bytes }) => bytes),
    lost,
  }
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  const over = new AbortController()
  const late = pause(PATIENCE, undefined, { signal: over.signal }).then(() => {
    throw new Error(`no end after ${PATIENCE / 1000} s`)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    late.catch(() => undefined)
    over.abort()
  }
}
