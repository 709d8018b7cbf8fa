import { setTimeout as pause } from 'node:timers/promises'
import type { AuditTrail } from '../audit/audit.ts'
import { type Clock, DAY, HOUR, MINUTE, SECOND } from '../kernel/clock.ts'
import type { Log } from '../kernel/log.ts'
import { MailError, type Mailer, MailRefusedError } from './mailer.ts'
import type { Outbox, WaitingMail } from './outbox.ts'

/** Durations in milliseconds. */
export interface OutboxRunnerOptions {
  /** Between two looks. Default 2 s. */
  poll?: number
  /** Letters on their way at the same time: one-time codes go through the same connections. Default 3. */
  batch?: number
  /** How long nobody else gets a letter that is on its way; longer than sending may take. Default 1 min. */
  lease?: number
  /** The first wait after a failure; it doubles up to `retryMax`. Default 30 s and 1 h. */
  retry?: number
  retryMax?: number
  /** The age at which a letter that fails once more is given up. Default 7 days. */
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

export interface OutboxRunnerDependencies {
  outbox: Outbox
  /** Of the present configuration; undefined: letters wait. */
  mailer: () => Mailer | undefined
  clock: Clock
  log: Log
  trail: AuditTrail
}

/** Sends what waits in the outbox, each letter at least once. Any number of processes may share the work. */
export interface OutboxRunner {
  start(): void
  /** Looks now, also at what failed before: the way to the mail server may be another one. */
  nudge(): void
  /** Letters on their way come to their end; the others wait for whoever runs next. */
  stop(): Promise<void>
}

type Delivery = 'sent' | 'refused' | 'down'

export function createOutboxRunner(options: OutboxRunnerOptions, dependencies: OutboxRunnerDependencies): OutboxRunner {
  const settings = { ...DEFAULTS, ...options }
  const { outbox, mailer, clock, log, trail } = dependencies
  let timer: NodeJS.Timeout | undefined
  let turn: Promise<void> | undefined
  let stopped = false
  /** Letters that were postponed are to be tried now. */
  let hasty = false
  /** The mail server did not serve when it was last asked. */
  let down = false
  let storeFailed = false

  async function send(letter: WaitingMail, by: Mailer): Promise<Delivery> {
    const { id, mail } = letter
    try {
      await by.send(mail)
    } catch (error) {
      await failed(letter, error)
      return error instanceof MailError && !(error instanceof MailRefusedError) ? 'down' : 'refused'
    }
    await outbox.remove(id)
    record('mail.sent', letter)
    return 'sent'
  }

  async function failed(letter: WaitingMail, error: unknown): Promise<void> {
    const { id, mail, tries, createdAt } = letter
    const { template } = mail
    // The mailer tells of its own failures.
    if (!(error instanceof MailError)) log.error('a letter could not be made', { template, error })
    const now = clock.now()
    if (now - createdAt < settings.patience) {
      return outbox.postpone(id, now + Math.min(settings.retry * 2 ** tries, settings.retryMax))
    }
    await outbox.remove(id)
    log.error('a letter is given up', { template, kind: mail.data.kind, tries: tries + 1 })
    record('mail.given_up', letter)
  }

  /** Whose and what kind of letter; never where it went or what it says (LG-2). */
  function record(event: 'mail.sent' | 'mail.given_up', { mail, tries }: WaitingMail): void {
    const { template, account, data } = mail
    const details = { template, kind: data.kind, tries: tries + 1 }
    trail.record({ event, outcome: event === 'mail.sent' ? 'ok' : 'fail', account, details })
  }

  /** Whether to go on at once. */
  async function sendSome(by: Mailer): Promise<boolean> {
    if (hasty) {
      hasty = false
      await outbox.hasten()
    }
    const letters = await outbox.claim(settings.batch, settings.lease)
    const outcomes = await Promise.all(letters.map((letter) => send(letter, by)))
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
        const by = mailer()
        more = by !== undefined && (await sendSome(by))
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
