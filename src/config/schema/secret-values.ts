import { z } from 'zod'

const KEY_BYTES = 32
const BASE64 = /^[A-Za-z0-9+/_-]{43}=?$/
/**
 * Fewer different bytes or characters than this are no random secret: 32 random digits have fewer with a chance below
 * 10⁻⁷.
 */
const FEWEST_DIFFERENT = 6
const PLACEHOLDER =
  /change[-_ ]?(?:me|this)|replace[-_ ]?(?:me|this)|your[-_ ]?(?:client[-_ ]?)?secret|placeholder|<[^>]*>/i
const SAMPLE_WORDS = /^(?:(?:secret|password|example|sample)[-_ .]?)+$/i
const SHORTEST_CLIENT_SECRET = 32

const BAD_KEY = 'must be 32 random bytes in base64, as made by: openssl rand -base64 32'
const SAMPLE_KEY = 'is not random: make one with openssl rand -base64 32'

/** 32 random bytes, base64 in the file. */
export const secretKey = z.codec(z.string().regex(BASE64, BAD_KEY), z.custom<Buffer>(), {
  decode: (text, payload) => {
    const key = Buffer.from(text, 'base64')
    const problem = key.length === KEY_BYTES ? sampleKey(key) : BAD_KEY
    if (problem === undefined) return key
    payload.issues.push({ code: 'custom', input: undefined, message: problem })
    return z.NEVER
  },
  encode: (key) => key.toString('base64'),
})

/** Text, one byte over and over, or a row of numbers: what examples are made of (KM-3). */
function sampleKey(key: Buffer): string | undefined {
  const steps = new Set(key.subarray(1).map((byte, index) => byte - (key[index] ?? 0)))
  const printable = key.every((byte) => byte >= 0x20 && byte < 0x7f)
  return printable || steps.size < 2 || new Set(key).size < FEWEST_DIFFERENT ? SAMPLE_KEY : undefined
}

/** Whether it asks to be replaced, as documentation has it (KM-3). */
export function isPlaceholder(secret: string): boolean {
  return PLACEHOLDER.test(secret)
}

/** What is wrong with a client's secret; undefined when nothing is (OA-14). Never quotes it. */
export function weaknessOf(secret: string): string | undefined {
  if (isPlaceholder(secret) || SAMPLE_WORDS.test(secret)) return 'is a sample: make one with openssl rand -hex 32'
  if (secret.length < SHORTEST_CLIENT_SECRET) return `must have at least ${SHORTEST_CLIENT_SECRET} characters (OA-14)`
  if (new Set(secret).size < FEWEST_DIFFERENT) return 'is not random: make one with openssl rand -hex 32'
  return undefined
}
