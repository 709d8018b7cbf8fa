import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hash,
  hkdfSync,
  type KeyObject,
  randomBytes,
  randomInt,
  timingSafeEqual,
} from 'node:crypto'

const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** An opaque random value, base64url. 32 bytes are 43 characters (KM-7). */
export function randomToken(bytes = 32): string {
  return randomBytes(bytes).toString('base64url')
}

/** A code of so many digits, each equally likely (EM-2): `randomInt` rejects what a remainder would favour. */
export function randomDigits(digits: number): string {
  return `${randomInt(10 ** digits)}`.padStart(digits, '0')
}

/** SHA-256, base64url: the form in which a bearer value is stored (KM-8). */
export function sha256(text: string): string {
  return hash('sha256', text, 'base64url')
}

const keyObjects = new WeakMap<Buffer, KeyObject>()

/** The same key in the form OpenSSL keeps: with bytes each use costs several microseconds more. */
function keyObjectOf(key: Buffer): KeyObject {
  const known = keyObjects.get(key)
  if (known !== undefined) return known
  const made = createSecretKey(key)
  keyObjects.set(key, made)
  return made
}

/** HMAC-SHA-256, base64url. */
export function hmac(key: Buffer, ...parts: string[]): string {
  const mac = createHmac('sha256', keyObjectOf(key))
  // The length in front keeps ('ab', 'c') and ('a', 'bc') apart.
  for (const part of parts) mac.update(`${Buffer.byteLength(part)}:`).update(part)
  return mac.digest('base64url')
}

/** Compares in constant time; false for different lengths. */
export function equalSecrets(left: string, right: string): boolean {
  const a = Buffer.from(left)
  const b = Buffer.from(right)
  return a.length === b.length && timingSafeEqual(a, b)
}

/** A 256-bit key for one purpose out of `secretKey` (HKDF-SHA-256, RFC 5869; one label per purpose). */
export function deriveKey(secretKey: Buffer, label: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secretKey, Buffer.alloc(0), `stepgate/${label}`, KEY_BYTES))
}

/** Seals text so that it can be read only with the key, and only in the place `context` names (KM-5). */
export interface Sealer {
  /** AES-256-GCM with a random 96-bit nonce; `context` (row or key identity) is the associated data. */
  seal(plain: string, context: string): string
  /** Throws when the key, the context or a bit of the text is not what it was sealed with. */
  open(sealed: string, context: string): string
}

/** Nonces of many seals come from one call: each call costs as much as the encryption of a record. */
const POOLED_NONCES = 256

function createNonces(): () => Buffer {
  let pool = Buffer.alloc(0)
  let used = 0
  return () => {
    if (used === pool.length) {
      pool = randomBytes(NONCE_BYTES * POOLED_NONCES)
      used = 0
    }
    used += NONCE_BYTES
    return pool.subarray(used - NONCE_BYTES, used)
  }
}

export function createSealer(bytes: Buffer): Sealer {
  const key = createSecretKey(bytes)
  const nextNonce = createNonces()
  return {
    seal(plain, context) {
      const nonce = nextNonce()
      const cipher = createCipheriv('aes-256-gcm', key, nonce)
      cipher.setAAD(Buffer.from(context))
      const body = Buffer.concat([nonce, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()])
      return body.toString('base64')
    },
    open(sealed, context) {
      const body = Buffer.from(sealed, 'base64')
      if (body.length < NONCE_BYTES + TAG_BYTES) throw new Error('sealed value is too short')
      const decipher = createDecipheriv('aes-256-gcm', key, body.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
      decipher.setAAD(Buffer.from(context))
      decipher.setAuthTag(body.subarray(body.length - TAG_BYTES))
      const plain = decipher.update(body.subarray(NONCE_BYTES, body.length - TAG_BYTES))
      return Buffer.concat([plain, decipher.final()]).toString('utf8')
    },
  }
}
