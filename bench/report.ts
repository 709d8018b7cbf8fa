import type { Footprint } from './footprint.ts'
import type { Memory } from './operating-system.ts'
import type { Round, Sample } from './rounds.ts'
import { quantile, type Spread, spreadOf } from './statistics.ts'
import type { Kind } from './subject.ts'

export type ContestantName = 'gateway' | 'gatewayWithoutHash' | 'baseline' | 'baselineWithoutHash'

export interface Measured {
  rounds: Round<ContestantName>[]
  footprints: Partial<Record<Kind['name'], Footprint>>
  idle: Record<ContestantName, Memory>
  loaded: Record<ContestantName, Memory>
}

interface Ratio extends Spread {
  target: number | undefined
}

interface Cost {
  /** Milliseconds of server CPU. */
  cpuWithoutHash: Spread
  cpuWithHash: Spread
  /** With the hash, less the hash alone. */
  cpuDifference: Spread
  redisCpu: Spread
  /** Milliseconds from the first request to the last answer, hash included. */
  p50: Spread
  p95: Spread
  signInsPerSecond: Spread
  requests: number
  responseBytes: number
  stores: Footprint | undefined
}

/** Megabytes, of the server with its hash. */
interface MemoryUse {
  idle: number
  afterLoad: number
  peak: number
}

export interface Summary {
  /**
   * Of each round, then over the rounds: what changes from minute to minute on a machine is the same on both sides of a
   * line.
   */
  ratios: Record<string, Ratio>
  hashAlone: Spread
  perSignIn: Record<Kind['name'], Cost>
  memory: Record<Kind['name'], MemoryUse>
}

const TARGETS = { cpuWithoutHash: 0.8, cpuWithHash: 1.35, roundTrips: 30, idleMegabytes: 150 }

export function summarize(measured: Measured): Summary {
  const { rounds, footprints } = measured
  const ratio = (of: (round: Round<ContestantName>) => number, target?: number): Ratio => ({
    ...spreadOf(rounds.map(of)),
    target,
  })
  const p = (share: number, sample: Sample): number => quantile(sample.load.durations, share)
  return {
    ratios: {
      'server CPU without the hash, gateway : baseline': ratio(
        ({ samples }) => samples.gatewayWithoutHash.cpu / samples.baselineWithoutHash.cpu,
        TARGETS.cpuWithoutHash,
      ),
      'server CPU with the hash, gateway : hash alone': ratio(
        ({ samples, hash }) => samples.gateway.cpu / hash,
        TARGETS.cpuWithHash,
      ),
      'server CPU with the hash, baseline : hash alone': ratio(({ samples, hash }) => samples.baseline.cpu / hash),
      'server CPU with the hash, gateway : baseline': ratio(
        ({ samples }) => samples.gateway.cpu / samples.baseline.cpu,
      ),
      'p50, gateway : baseline': ratio(({ samples }) => p(0.5, samples.gateway) / p(0.5, samples.baseline)),
      'p95, gateway : baseline': ratio(({ samples }) => p(0.95, samples.gateway) / p(0.95, samples.baseline)),
      'p50 without the hash, gateway : baseline': ratio(
        ({ samples }) => p(0.5, samples.gatewayWithoutHash) / p(0.5, samples.baselineWithoutHash),
      ),
      'Redis CPU, gateway : baseline': ratio(
        ({ samples }) => samples.gatewayWithoutHash.redisCpu / samples.baselineWithoutHash.redisCpu,
      ),
    },
    hashAlone: spreadOf(rounds.map(({ hash }) => hash)),
    perSignIn: { gateway: costOf('gateway', rounds, footprints), baseline: costOf('baseline', rounds, footprints) },
    memory: { gateway: memoryUse('gateway', measured), baseline: memoryUse('baseline', measured) },
  }
}

function costOf(name: Kind['name'], rounds: Measured['rounds'], footprints: Measured['footprints']): Cost {
  const over = (of: (round: Round<ContestantName>) => number): Spread => spreadOf(rounds.map(of))
  const without = `${name}WithoutHash` as const
  const load = rounds[0]?.samples[name].load
  return {
    cpuWithoutHash: over(({ samples }) => samples[without].cpu),
    cpuWithHash: over(({ samples }) => samples[name].cpu),
    cpuDifference: over(({ samples, hash }) => samples[name].cpu - hash),
    redisCpu: over(({ samples }) => samples[without].redisCpu),
    p50: over(({ samples }) => quantile(samples[name].load.durations, 0.5)),
    p95: over(({ samples }) => quantile(samples[name].load.durations, 0.95)),
    signInsPerSecond: over(({ samples }) => (samples[name].load.durations.length * 1000) / samples[name].load.elapsed),
    requests: load?.requests ?? 0,
    responseBytes: load?.responseBytes ?? 0,
    stores: footprints[name],
  }
}

function memoryUse(name: Kind['name'], { idle, loaded }: Measured): MemoryUse {
  return { idle: idle[name].now, afterLoad: loaded[name].now, peak: loaded[name].peak }
}

/** Ratios first; what a target is set for says whether it was reached. */
export function tableOf(result: Summary): string {
  const { gateway, baseline } = result.perSignIn
  const both = (label: string, of: (cost: Cost) => number | undefined, digits: number, target?: number): string => {
    const value = of(gateway)
    return row([label, shown(value, digits), shown(of(baseline), digits), '', verdict(value, target)])
  }
  const memory = (label: string, of: (use: MemoryUse) => number, target?: number): string => {
    const value = of(result.memory.gateway)
    return row([label, shown(value, 0), shown(of(result.memory.baseline), 0), '', verdict(value, target)])
  }
  return [
    row(['ratios', 'median', 'min', 'max', 'target']),
    ...Object.entries(result.ratios).map(([label, { median, min, max, target }]) =>
      row([label, shown(median, 2), shown(min, 2), shown(max, 2), verdict(median, target)]),
    ),
    '',
    row(['per sign-in', 'gateway', 'baseline', '', 'target']),
    both('server CPU without the hash, ms', (cost) => cost.cpuWithoutHash.median, 2),
    both('server CPU with the hash, ms', (cost) => cost.cpuWithHash.median, 2),
    both('  less the hash alone, ms', (cost) => cost.cpuDifference.median, 2),
    row(['the hash alone, ms', shown(result.hashAlone.median, 2), shown(result.hashAlone.median, 2), '', '']),
    both('p50, ms', (cost) => cost.p50.median, 1),
    both('p95, ms', (cost) => cost.p95.median, 1),
    both('sign-ins per second', (cost) => cost.signInsPerSecond.median, 0),
    both('HTTP requests', (cost) => cost.requests, 1),
    both('characters of answers', (cost) => cost.responseBytes, 0),
    both('Redis round trips, one after another', (cost) => cost.stores?.roundTrips, 1, TARGETS.roundTrips),
    both('PostgreSQL round trips', (cost) => cost.stores?.sqlRoundTrips, 1),
    both('Redis commands', (cost) => cost.stores?.commands, 1),
    both('Redis CPU, ms', (cost) => cost.redisCpu.median, 3),
    both('bytes to Redis', (cost) => cost.stores?.bytesToRedis, 0),
    both('bytes from Redis', (cost) => cost.stores?.bytesFromRedis, 0),
    both('bytes kept in Redis', (cost) => cost.stores?.bytesKept, 0),
    both('  of them per session', (cost) => cost.stores?.bytesPerSession, 0),
    both('  more per remembered device', (cost) => cost.stores?.bytesPerDevice, 0),
    '',
    row(['memory, MB', 'gateway', 'baseline', '', 'target']),
    memory('idle', (use) => use.idle, TARGETS.idleMegabytes),
    memory('after the load', (use) => use.afterLoad),
    memory('most under load', (use) => use.peak),
    '',
  ].join('\n')
}

const shown = (value: number | undefined, digits: number): string => value?.toFixed(digits) ?? '-'

function verdict(value: number | undefined, target: number | undefined): string {
  if (value === undefined || target === undefined) return ''
  return `<= ${target} ${value <= target ? 'reached' : 'MISSED'}`
}

function row([label = '', ...cells]: string[]): string {
  return `${label.padEnd(52)}${cells.map((cell, index) => (index < 3 ? cell.padStart(10) : `   ${cell}`)).join('')}`.trimEnd()
}
