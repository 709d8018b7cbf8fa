import { setTimeout as pause } from 'node:timers/promises'
import type { Generator, HashProcess } from './generator.ts'
import type { Load } from './load.ts'
import { cpuOf } from './operating-system.ts'
import type { ServerProcess } from './server-process.ts'

/** A server under load in one of its two forms. */
export interface Contestant {
  crowd: string
  server: ServerProcess
}

export interface Sample {
  /** Milliseconds of the server's CPU per sign-in, and of Redis's beside it. */
  cpu: number
  redisCpu: number
  load: Load
}

export interface Round<Name extends string> {
  samples: Record<Name, Sample>
  /** Milliseconds of CPU of one password hash, alone in a process. */
  hash: number
}

export interface Field<Name extends string> {
  contestants: Record<Name, Contestant>
  generator: Generator
  hashProcess: HashProcess
  redisPid: number
}

export interface RoundOptions {
  signIns: number
  concurrency: number
}

/** Audit rows and answers on their way are work of the sign-ins too. */
const SETTLE = 300

/**
 * Everybody once, one after another; every second round the other way round, so that a drift of the machine meets all
 * alike.
 */
export async function runRound<Name extends string>(
  field: Field<Name>,
  options: RoundOptions & { number: number },
): Promise<Round<Name>> {
  const names = Object.keys(field.contestants) as Name[]
  const samples: Partial<Record<Name, Sample>> = {}
  for (const name of options.number % 2 === 0 ? names : names.toReversed()) {
    samples[name] = await sampleOf(field.contestants[name], field, options)
  }
  return { samples: samples as Record<Name, Sample>, hash: await hashCost(field.hashProcess, options.signIns) }
}

async function sampleOf(
  { crowd, server }: Contestant,
  { generator, redisPid }: Pick<Field<string>, 'generator' | 'redisPid'>,
  { signIns, concurrency }: RoundOptions,
): Promise<Sample> {
  await generator.obey({ do: 'prepare', crowd, signIns })
  const before = { server: cpuOf(server.pid), redis: cpuOf(redisPid) }
  const load = await generator.obey({
    do: 'sign-in',
    crowd,
    party: server.party,
    signIns,
    concurrency,
    remember: false,
  })
  await pause(SETTLE)
  if (load === undefined) throw new Error('no load was made')
  return {
    cpu: (cpuOf(server.pid) - before.server) / signIns,
    redisCpu: (cpuOf(redisPid) - before.redis) / signIns,
    load,
  }
}

async function hashCost(hashProcess: HashProcess, verifies: number): Promise<number> {
  const before = cpuOf(hashProcess.pid)
  await hashProcess.verify(verifies)
  return (cpuOf(hashProcess.pid) - before) / verifies
}
