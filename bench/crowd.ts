import { setTimeout as pause } from 'node:timers/promises'
import { codeAt } from '../test/harness/totp-app.ts'

const STEP = 30_000

/** An account as the generator knows it. */
export interface Member {
  username: string
  password: string
  /** Base32; unknown until an app was bound through the pages. */
  secret?: string | undefined
}

interface Seat extends Member {
  lastStep: number
}

/** Everybody who signs in at one server, in turn: a time step of an app is good for one sign-in. */
export interface Crowd {
  readonly size: number
  /** Waits until this many sign-ins in a row find an unused code. */
  ready(signIns: number): Promise<void>
  /** The next member whose app shows a code it has not used, and that code. */
  next(): Member & { codeFor(shown: string | undefined): string }
}

export function createCrowd(members: readonly Member[]): Crowd {
  const seats: Seat[] = members.map((member) => ({ ...member, lastStep: 0 }))
  let turn = 0

  /**
   * The current step, or the next, which every server accepts too (RFC 6238, section 5.2) and which does not grow old
   * on the way.
   */
  const free = (seat: Seat, now: number): number | undefined => {
    const current = Math.floor(now / STEP)
    const step = Math.max(seat.lastStep + 1, current)
    return step <= current + 1 ? step : undefined
  }

  const capacity = (): number => {
    const current = Math.floor(Date.now() / STEP)
    return seats.reduce((sum, { lastStep }) => sum + Math.max(0, Math.min(2, current + 1 - lastStep)), 0)
  }

  return {
    size: seats.length,
    async ready(signIns) {
      // One seat's two codes are two sign-ins far apart only in a crowd, so half of the capacity is left alone.
      while (capacity() < Math.min(signIns * 1.2, seats.length * 2)) await pause(500)
    },
    next() {
      const now = Date.now()
      for (let tried = 0; tried < seats.length; tried++) {
        const seat = seats[turn++ % seats.length]
        const step = seat && free(seat, now)
        if (seat === undefined || step === undefined) continue
        seat.lastStep = step
        return {
          ...seat,
          codeFor(shown) {
            seat.secret = shown ?? seat.secret
            if (seat.secret === undefined) throw new Error(`${seat.username} has no app yet`)
            return codeAt(seat.secret, step * STEP)
          },
        }
      }
      throw new Error('every code was used: more accounts are needed')
    },
  }
}
