import { setTimeout as pause } from 'node:timers/promises'
import { DAY, HOUR, MINUTE, SECOND } from '../kernel/clock.ts'
import { createDelivery, type DeliveryDependencies } from './delivery.ts'
import type { Mailer } from './mailer.ts'

/** Durations in milliseconds. */
export interface OutboxRunnerOptions {
  /** Between two looks. Default 2 s. */
  poll?: number
  /** Mails on their way at the same time: one-time codes go through the same connections. Default 3. */
  batch?: number
  /** How long nobody else gets a mail that is on its way; longer than sending may take. Default 1 min. */
  lease?: number
  /** The first wait after a failure; it doubles up to `retryMax`. Default 30 s and 1 h. */
  retry?: number
  retryMax?: number
  /** The age at which a mail that fails once more is given up. Default 7 days. */
  patience?: number
  /** The longest that `stop` takes. Default 5 s. */
  farewell?: number
}

const DEFAULTS = {
  poll: 2 * SECOND,
  batch: 3,
  lease: MINUTE,
  retry: 30 * SECOND,
  retryMax: HOUR,
  patience: 7 * DAY,
  farewell: 5 * SECOND,
}

export interface OutboxRunnerDependencies extends DeliveryDependencies {
  /** Of the present configuration; undefined: mails wait. */
  mailer: () => Mailer | undefined
}

/** Sends what waits in the outbox, each mail at least once. Any number of processes may share the work. */
export interface OutboxRunner {
  start(): void
  /** Looks now, also at what failed before: the way to the mail server may be another one. */
  nudge(): void
  /** Mails on their way come to their end; the others wait for whoever runs next. */
  stop(): Promise<void>
}

export function createOutboxRunner(options: OutboxRunnerOptions, dependencies: OutboxRunnerDependencies): OutboxRunner {
  const settings = { ...DEFAULTS, ...options }
  const { outbox, mailer, log } = dependencies
  const deliver = createDelivery(settings, dependencies)
  let timer: NodeJS.Timeout | undefined
  let turn: Promise<void> | undefined
  let stopped = false
  /** Mails that were postponed are to be tried now. */
  let hasty = false
  /** The mail server did not serve when it was last asked. */
  let down = false
  let storeFailed = false

  /** Whether to go on at once. */
  async function sendSome(): Promise<boolean> {
    if (hasty) {
      hasty = false
      await outbox.hasten()
    }
    const mails = await outbox.claim(settings.batch, settings.lease)
    // Only now: the configuration may have been read again meanwhile, and the mailer of before is closed.
    const by = mailer()
    if (by === undefined) return false
    const outcomes = await Promise.all(mails.map((mail) => deliver(mail, by)))
    const sent = outcomes.includes('sent')
    // It serves again: what was postponed meanwhile need not wait for its own time.
    hasty ||= sent && down
    if (sent) down = false
    if (outcomes.includes('down')) down = true
    return outcomes.some((outcome) => outcome !== 'down')
  }

  async function sendAll(): Promise<void> {
    try {
      for (let more = true; more && !stopped; ) {
        more = mailer() !== undefined && (await sendSome())
      }
      storeFailed = false
    } catch (error) {
      if (!storeFailed) log.error('letters wait: the outbox cannot be read or written', { error })
      storeFailed = true
    }
  }

  function look(): void {
    if (stopped) return
    turn ??= sendAll().finally(() => {
      turn = undefined
    })
  }

  function nudge(): void {
    hasty = true
    look()
  }

  return {
    start() {
      timer = setInterval(look, settings.poll).unref()
      nudge()
    },
    nudge,
    async stop() {
      stopped = true
      clearInterval(timer)
      const enough = new AbortController()
      const late = pause(settings.farewell, undefined, { signal: enough.signal }).catch(() => {})
      await Promise.race([turn ?? Promise.resolve(), late])
      enough.abort()
    },
  }
}
