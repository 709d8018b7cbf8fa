import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/**
 * What an authenticator app shows for a key at a time (RFC 6238 with SHA-1), written from the RFC so that it shares
 * nothing with the product. `secret` is base32, spaces allowed; `time` and `period` are milliseconds.
 */
export function codeAt(secret: string, time: number, options: { digits?: number; period?: number } = {}): string {
  const { digits = 6, period = 30_000 } = options
  return codeOf(keyOf(secret), Math.floor(time / period), digits)
}

function codeOf(key: KeyObject, step: number, digits: number): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const mac = createHmac('sha1', key).update(counter).digest()
  // RFC 4226, section 5.3: dynamic truncation.
  const number = mac.readUInt32BE((mac.at(-1) ?? 0) & 0xf) & 0x7fffffff
  return `${number % 10 ** digits}`.padStart(digits, '0')
}

/** Digits that are the code of no time step within two days around `time`, for wrong answers that stay wrong. */
export function wrongCode(secret: string, time: number, options: { digits?: number; period?: number } = {}): string {
  const { digits = 6, period = 30_000 } = options
  const right = codesAround(secret, time, { digits, period })
  for (let number = 0; ; number++) {
    const code = `${number}`.padStart(digits, '0')
    if (!right.has(code)) return code
  }
}

/**
 * Whether it is the code of a time step within two days: some codes of other keys are, and a page then speaks of
 * clocks.
 */
export function fitsNearby(secret: string, code: string, time: number): boolean {
  return codesAround(secret, time, { digits: 6, period: 30_000 }).has(code)
}

function codesAround(secret: string, time: number, form: { digits: number; period: number }): Set<string> {
  const { digits, period } = form
  const key = keyOf(secret)
  const [now, steps] = [Math.floor(time / period), Math.ceil((2 * 86_400_000) / period)]
  const right = new Set<string>()
  for (let step = now - steps; step <= now + steps; step++) right.add(codeOf(key, step, digits))
  return right
}

function keyOf(secret: string): KeyObject {
  const bits = [...secret.replace(/\s/g, '').toUpperCase()]
    .map((letter) => BASE32.indexOf(letter).toString(2).padStart(5, '0'))
    .join('')
  return createSecretKey(Buffer.from((bits.match(/[01]{8}/g) ?? []).map((octet) => Number.parseInt(octet, 2))))
}
