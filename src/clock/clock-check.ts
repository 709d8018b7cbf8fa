import { execFile } from 'node:child_process'
import { hostname } from 'node:os'
import { promisify } from 'node:util'
import type { AuditTrail } from '../audit/audit.ts'
import type { Config } from '../config/config.ts'
import { type Clock, HOUR, SECOND } from '../kernel/clock.ts'
import { messageOf, UnavailableError } from '../kernel/errors.ts'
import type { Log } from '../kernel/log.ts'
import { keyOf, type StateStore } from '../state/store.ts'
import { askOffset } from './sntp.ts'

/** What is known of this machine's clock. */
export type ClockReading =
  /** By how much the time servers are ahead of it, in milliseconds. */
  | { offset: number; servers: number }
  /** What the system says of itself, where no server could be asked. */
  | { synchronised: boolean }
  | { unknown: string }

export type ClockOptions = Config['clock']

const PATIENCE = 2 * SECOND
/** FA-8, TO-9: so far the wall clock may part from the monotonic one between two looks. */
const JUMP = 5 * SECOND
const LOOK = 10 * SECOND

/** Asks the configured time servers, else the system (TO-9). Never throws. */
export async function readClock({ servers }: ClockOptions, { clock }: { clock: Clock }): Promise<ClockReading> {
  const asked = await Promise.allSettled(servers.map((server) => askOffset(server, { clock, patience: PATIENCE })))
  const offsets = asked.filter((answer) => answer.status === 'fulfilled').map(({ value }) => value)
  if (offsets.length > 0) return { offset: medianOf(offsets), servers: offsets.length }
  const synchronised = await systemSays()
  if (synchronised !== undefined) return { synchronised }
  const [failure] = asked.filter((answer) => answer.status === 'rejected')
  if (failure === undefined) return { unknown: 'no time servers are configured' }
  return { unknown: `no time server could be asked: ${messageOf(failure.reason)}` }
}

/** One that is wrong is outvoted; of two, the one that complains less is believed. */
function medianOf(offsets: readonly number[]): number {
  const sorted = offsets.toSorted((one, other) => one - other)
  const middle = sorted.slice((sorted.length - 1) >> 1, (sorted.length >> 1) + 1)
  return middle.toSorted((one, other) => Math.abs(one) - Math.abs(other))[0] ?? 0
}

const run = promisify(execFile)

/** Undefined where there is no systemd to ask. */
async function systemSays(): Promise<boolean | undefined> {
  try {
    const { stdout } = await run('timedatectl', ['show', '-p', 'NTPSynchronized', '--value'], { timeout: PATIENCE })
    const word = stdout.trim()
    return word === 'yes' ? true : word === 'no' ? false : undefined
  } catch {
    return undefined
  }
}

export function isWrong(reading: ClockReading | undefined, { maxOffset }: ClockOptions): boolean {
  return reading !== undefined && 'offset' in reading && Math.abs(reading.offset) > maxOffset
}

export interface ClockWatch {
  /** The last reading; undefined before the first. */
  readonly reading: ClockReading | undefined
  /** Reads now and every hour, and looks for jumps meanwhile. */
  start(): void
  /** Reads now. */
  read(): Promise<void>
  stop(): void
}

/**
 * Says in log and audit when the clock is wrong (D7); what else follows is its reader's business. `options`: as they
 * are now.
 */
export function createClockWatch(
  options: () => ClockOptions,
  dependencies: { clock: Clock; log: Log; trail: AuditTrail; state: Pick<StateStore, 'add'> },
): ClockWatch {
  const { clock, log, trail } = dependencies
  let reading: ClockReading | undefined
  const timers: NodeJS.Timeout[] = []

  async function read(): Promise<void> {
    const current = options()
    if (current.check === 'off') {
      reading = undefined
      return
    }
    reading = await readClock(current, { clock })
    if ('synchronised' in reading && !reading.synchronised) {
      log.warn('the system says that its clock is not synchronised: codes of apps depend on it')
    }
    if (!('offset' in reading) || !isWrong(reading, current)) return
    const offset = Math.round(reading.offset)
    log.warn('the clock of this server is wrong: codes of apps will not fit', { offsetMilliseconds: offset })
    if (!(await isFirst())) return
    trail.record({ event: 'clock.wrong', outcome: 'fail', details: { offset, maxOffset: current.maxOffset } })
  }

  /** The workers of one machine have one clock: it is written once an hour (LG-1). */
  async function isFirst(): Promise<boolean> {
    try {
      return await dependencies.state.add(keyOf('clock-wrong', hostname()), '1', HOUR / 2)
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error
      return true
    }
  }

  return {
    get reading() {
      return reading
    },
    read,
    start() {
      const check = (): void => {
        // Nobody waits for it, and nobody else would catch it.
        read().catch((error: unknown) => log.error('the clock could not be checked', { error }))
      }
      check()
      const jumps = createJumpWatch({ clock, monotonic: () => performance.now(), log })
      timers.push(setInterval(check, HOUR).unref(), setInterval(() => jumps.look(), LOOK).unref())
    },
    stop() {
      for (const timer of timers.splice(0)) clearInterval(timer)
    },
  }
}

/** Tells of a wall clock that was set: what is counted in it is older or younger than it was (FA-8). */
export function createJumpWatch(world: { clock: Clock; monotonic(): number; log: Log }): { look(): void } {
  const { clock, monotonic, log } = world
  const apart = (): number => clock.now() - monotonic()
  let before = apart()
  return {
    look() {
      const now = apart()
      const by = Math.round(now - before)
      before = now
      if (Math.abs(by) > JUMP) log.warn('the wall clock jumped', { byMilliseconds: by })
    },
  }
}
