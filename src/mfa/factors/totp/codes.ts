import { createHmac, createSecretKey } from 'node:crypto'
import { generateSecret, generateSync, generateURI, ScureBase32Plugin } from 'otplib'
import { equalSecrets } from '../../../kernel/secrets.ts'

/** RFC 4226, section 4, R6 recommends 160 bits (TO-1). */
const SECRET_BYTES = 20
const base32 = new ScureBase32Plugin()

/** What an authenticator app and we have in common. */
export interface SharedKey {
  /** Base32. */
  secret: string
  digits: 6 | 8
  /** Milliseconds. */
  period: number
}

/** A new secret, base32. */
export function newSecret(): string {
  return generateSecret({ length: SECRET_BYTES })
}

/** The time step `now` falls into (RFC 6238, section 4.2, T0 = 0). */
export function stepAt(key: SharedKey, now: number): number {
  return Math.floor(now / key.period)
}

/** What the app shows at a time. */
export function codeAt(key: SharedKey, now: number): string {
  return codeOf(key, base32.decode(key.secret), stepAt(key, now))
}

/** Compares a code with those of single time steps, each in constant time. */
export function matcher(key: SharedKey, code: string): (step: number) => boolean {
  const secret = base32.decode(key.secret)
  return (step) => step >= 0 && equalSecrets(codeOf(key, secret, step), code)
}

function codeOf(key: SharedKey, secret: Uint8Array, step: number): string {
  const period = key.period / 1000
  return generateSync({ secret, digits: key.digits, period, epoch: step * period, algorithm: 'sha1' })
}

/**
 * The first of these steps whose code this is. For steps that are not accepted anyway, so it need not take constant
 * time; it does in a millisecond what the matcher does in ten (RFC 4226, 5.3, is six lines).
 */
export function findStep(key: SharedKey, code: string, steps: Iterable<number>): number | undefined {
  const secret = createSecretKey(base32.decode(key.secret))
  const wanted = Number(code)
  const counter = Buffer.alloc(8)
  for (const step of steps) {
    if (step < 0) continue
    counter.writeBigUInt64BE(BigInt(step))
    const mac = createHmac('sha1', secret).update(counter).digest()
    const offset = (mac.at(-1) ?? 0) & 0xf
    if ((mac.readUInt32BE(offset) & 0x7fffffff) % 10 ** key.digits === wanted) return step
  }
  return undefined
}

/** The key URI that apps scan; SHA-1 is the one algorithm all of them know. */
export function keyUri(key: SharedKey, names: { issuer: string; label: string }): string {
  const { secret, digits, period } = key
  return generateURI({ ...names, secret, digits, period: period / 1000, algorithm: 'sha1' })
}
