import { DAY, HOUR, MINUTE } from '../../../kernel/clock.ts'
import { LEVELS } from '../../assurance/levels.ts'
import type { Authenticator, CeremonyContext, Finished, FinishInput, Show } from '../authenticator.ts'
import type { Binding } from '../binding-store.ts'
import { findStep, keyUri, matcher, newSecret, type SharedKey, stepAt } from './codes.ts'

export interface TotpOptions {
  digits: 6 | 8
  /** Milliseconds. */
  period: number
  /** How many steps before and after the current one are accepted (RFC 6238, section 5.2). */
  window: number
  maxPerUser: number
  reshowQr: 'owner' | 'never'
}

/** What a binding keeps. Digits and period stay what the app was told, whatever the configuration says later. */
export interface TotpRecord extends SharedKey {
  /** The highest step accepted so far; it and all before it are spent (TO-4). */
  lastStep: number
  /** Later steps whose code a clock hint has given away. */
  spoilt?: number[]
}

const TYPE = 'totp'
const CHALLENGE = { ttl: 10 * MINUTE, attempts: 5 }
/** How far off a clock may be for the hint to find it: a wrong time zone, a wrong day. */
const HINT_RANGE = DAY
const HINT_NEAR = 2 * HOUR
const HINT_AROUND = 3 * MINUTE
/** Modules of white around the symbol (ISO/IEC 18004), and pixels per module. */
const QR = { margin: 4, scale: 6 } as const
/**
 * Shades of grey, each row as its difference from the one above (PNG, 6.2 and 9.2): most rows of a symbol are equal.
 */
const PNG = { colorType: 0, filterType: 2, deflateLevel: 9 } as const

/** Time-based one-time passwords of an authenticator app (RFC 6238). */
export function createTotp(options: TotpOptions, names: { serviceName: string }): Authenticator {
  const showKey = (key: SharedKey, context: CeremonyContext): Promise<Show> =>
    show(key, { issuer: names.serviceName, label: context.account.username })
  const shown = (challenge: unknown, context: CeremonyContext): Promise<Show> =>
    showKey(challenge as SharedKey, context)
  return {
    type: TYPE,
    amr: ['otp'],
    assurance: LEVELS.closed('mfa'),
    distinctFactor: true,
    maxPerAccount: options.maxPerUser,
    challenge: CHALLENGE,
    usableUnbound: () => false,
    bind: {
      async begin() {
        const { digits, period } = options
        return { ok: true, challenge: { secret: newSecret(), digits, period } satisfies SharedKey }
      },
      show: shown,
      async finish(input) {
        return finishBind(input as FinishInput<SharedKey>, options.window)
      },
    },
    verify: {
      challengeless: true,
      async begin() {
        return { ok: true, challenge: undefined }
      },
      async show() {
        return { digits: options.digits }
      },
      async finish(input) {
        return finishVerify(input, options.window)
      },
    },
    ...(options.reshowQr === 'owner' && {
      reshow: (binding: Binding, context: CeremonyContext) => showKey(recordOf(binding), context),
    }),
  }
}

async function show(key: SharedKey, names: { issuer: string; label: string }): Promise<Show> {
  // Loaded with the first picture: sixty modules that no command and no restart should wait for.
  const { toBuffer } = await import('qrcode')
  const png = await toBuffer(keyUri(key, names), { ...QR, errorCorrectionLevel: 'M', rendererOpts: { ...PNG } })
  const qr = `data:image/png;base64,${png.toString('base64')}`
  return { qr, secret: key.secret.match(/.{1,4}/g)?.join(' '), digits: key.digits }
}

function finishBind({ challenge, code, context }: FinishInput<SharedKey>, window: number): Finished {
  const digits = digitsOf(code, challenge)
  if (digits === undefined) return { ok: false, reason: 'mismatch' }
  const fits = matcher(challenge, digits)
  const current = stepAt(challenge, context.now)
  const step = windowOf(current, window).find(fits)
  if (step !== undefined) return { ok: true, record: { ...challenge, lastStep: step } satisfies TotpRecord }
  const offset = offsetOf(challenge, digits, { current, window })
  return offset === undefined ? { ok: false, reason: 'mismatch' } : clockHint(offset, challenge)
}

function finishVerify({ bindings, code, context }: FinishInput<unknown>, window: number): Finished {
  let replayed = false
  for (const binding of bindings) {
    const record = recordOf(binding)
    const digits = digitsOf(code, record)
    if (digits === undefined) continue
    const fitting = windowOf(stepAt(record, context.now), window).filter(matcher(record, digits))
    const fresh = fitting.find((step) => step > record.lastStep && !record.spoilt?.includes(step))
    if (fresh !== undefined) return { ok: true, binding, record: moveTo(record, fresh) }
    replayed ||= fitting.length > 0
  }
  if (replayed) return { ok: false, reason: 'replayed' }
  return hintFor(bindings, { code, now: context.now, window }) ?? { ok: false, reason: 'mismatch' }
}

function moveTo(record: TotpRecord, step: number): TotpRecord {
  const { spoilt = [], ...rest } = record
  const ahead = spoilt.filter((other) => other > step)
  return { ...rest, lastStep: step, ...(ahead.length > 0 && { spoilt: ahead }) }
}

/**
 * Says by how much the clocks differ when the code belongs to another time. To whoever guesses, that would be the
 * promise that this code is right some minutes from now, so a later step is spoilt by the hint: its code is never
 * accepted.
 */
function hintFor(bindings: Binding[], tried: { code: string; now: number; window: number }): Finished | undefined {
  const { now, window } = tried
  for (const binding of bindings) {
    const record = recordOf(binding)
    const digits = digitsOf(tried.code, record)
    if (digits === undefined) continue
    const current = stepAt(record, now)
    const offset = offsetOf(record, digits, { current, window })
    if (offset === undefined) continue
    const hint = clockHint(offset, record)
    if (offset < 0) return hint
    // A success prunes the list, and the hard cap on failures in a row bounds it between two successes.
    return {
      ...hint,
      recordOnRefusal: { binding, record: { ...record, spoilt: [...(record.spoilt ?? []), current + offset] } },
    }
  }
  return undefined
}

/** Steps from now to the nearest likely time outside the window that the code fits; undefined when there is none. */
function offsetOf(key: SharedKey, code: string, at: { current: number; window: number }): number | undefined {
  const step = findStep(key, code, likelySteps(key, at))
  return step === undefined ? undefined : step - at.current
}

/**
 * Nearest first: every step of the next two hours either way, then a few around each half hour, as wrong time zones
 * are.
 */
function* likelySteps(
  { period }: SharedKey,
  { current, window }: { current: number; window: number },
): Generator<number> {
  const near = HINT_NEAR / period
  const halfHour = (30 * MINUTE) / period
  const around = HINT_AROUND / period
  for (let distance = window + 1; distance * period <= HINT_RANGE; distance++) {
    const fromHalfHour = Math.min(distance % halfHour, halfHour - (distance % halfHour))
    if (distance > near && fromHalfHour > around) continue
    yield current - distance
    yield current + distance
  }
}

function clockHint(offset: number, key: SharedKey): Extract<Finished, { ok: false }> {
  return { ok: false, reason: 'clock', minutes: Math.max(1, Math.round((Math.abs(offset) * key.period) / MINUTE)) }
}

/** The current step first: it is the likely one. */
function windowOf(current: number, window: number): number[] {
  const steps = [current]
  for (let distance = 1; distance <= window; distance++) steps.push(current - distance, current + distance)
  return steps
}

/** The code as ASCII digits without the spaces apps show; undefined when it is anything else (TO-6). */
function digitsOf(code: string, key: SharedKey): string | undefined {
  const digits = code.replace(/\s/g, '')
  return digits.length === key.digits && /^[0-9]+$/.test(digits) ? digits : undefined
}

/** A record of another shape is a fault, never a factor that is not there (FA-7). */
function recordOf(binding: Binding): TotpRecord {
  const record = binding.record as Partial<TotpRecord> | null
  if (
    typeof record?.secret !== 'string' ||
    !Number.isSafeInteger(record.lastStep) ||
    !Number.isSafeInteger(record.digits) ||
    !(Number(record.period) > 0)
  ) {
    throw new Error(`binding ${binding.id} does not hold a ${TYPE} record`)
  }
  return record as TotpRecord
}
