import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readHash } from '../../src/accounts/hashes/read.ts'
import { createHasher } from '../../src/accounts/passwords.ts'

const PASSWORD = 'correct horse battery staple'
const hasher = createHasher({ concurrency: 2, queue: 100, wait: 60_000 })
const SALT = 'AAECAwQFBgcICQoLDA0ODw'
const TAG = 'A'.repeat(43)
const PBKDF2 = 'ppsXnjrdPB4KryJ6DrOqKqhkWrhv7PbKAMF1Eml8cZ4'
const BCRYPT = 'abcdefghijklmnopqrstuuFiPhXf1sVd3pCCRO.uVh34H/qI/ZsuS'

/** Made by other programs: the C library's crypt, Python's hashlib. */
const FOREIGN: readonly { hash: string; password: string }[] = [
  { hash: `$2a$05$${BCRYPT}`, password: PASSWORD },
  { hash: `$2b$05$${BCRYPT}`, password: PASSWORD },
  { hash: `$2y$05$${BCRYPT}`, password: PASSWORD },
  { hash: `$pbkdf2-sha256$i=1000,l=32$${SALT}$${PBKDF2}`, password: PASSWORD },
  { hash: `$pbkdf2-sha256$i=1000$${SALT}$${PBKDF2}`, password: PASSWORD },
  { hash: `$pbkdf2-sha256$1000$${SALT}$${PBKDF2}`, password: PASSWORD },
  {
    hash: `$pbkdf2-sha512$1000$${SALT}$A6AmFIti7CKlYdoPiV9jf1d9llp37o27Wms8Zx8fwMJGCOigJzAthOW3Pg.XF5PnNiYnsQsIz1N5NtynrEm78w`,
    password: PASSWORD,
  },
  { hash: `$scrypt$ln=14,r=8,p=1$${SALT}$11kKyiyYAc8G7rp3KmncMc44YlkdllIqxOa7pq0fMaU`, password: PASSWORD },
]

describe('a hash from elsewhere (PW-7)', () => {
  for (const { hash, password } of FOREIGN) {
    test(`${hash.slice(0, 28)}… fits its password and no other, and is renewed`, async () => {
      assert.equal(await hasher.verify(hash, password), true)
      for (const wrong of ['', `${password}.`, password.toUpperCase(), `${password}\0`])
        assert.equal(await hasher.verify(hash, wrong), false, wrong)
      assert.equal(hasher.outdated(hash), true)
      const other = hash.endsWith('A')
        ? `${hash.slice(0, -10)}B${hash.slice(-9)}`
        : `${hash.slice(0, -10)}A${hash.slice(-9)}`
      assert.equal(await hasher.verify(other, password), false)
    })
  }

  test('PW-8: bcrypt sees the whole password or none of it: nothing beyond 72 bytes, nothing behind a NUL', async () => {
    // Of 72 times x: made by the C library's crypt, which reads no further.
    const full = '$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i'
    assert.equal(await hasher.verify(full, 'x'.repeat(72)), true)
    assert.equal(await hasher.verify(full, 'x'.repeat(73)), false)
    assert.equal(await hasher.verify(full, `${'x'.repeat(72)}\0`), false)
    assert.equal(await hasher.verify(`$2b$05$${BCRYPT}`, `${PASSWORD}\0more`), false)
  })

  test('what asks for too much work is refused, not computed', async () => {
    const costly = [
      `$2b$15$${BCRYPT}`,
      `$2y$31$${BCRYPT}`,
      `$pbkdf2-sha256$i=5000001,l=32$${SALT}$${TAG}`,
      `$pbkdf2-sha512$9999999999$${SALT}$${TAG}`,
      `$scrypt$ln=19,r=8,p=1$${SALT}$${TAG}`,
      `$scrypt$ln=17,r=8,p=9$${SALT}$${TAG}`,
      `$scrypt$ln=99,r=999,p=999$${SALT}$${TAG}`,
      `$argon2id$v=19$m=262145,t=1,p=1$${SALT}$${TAG}`,
      `$argon2id$v=19$m=19456,t=11,p=1$${SALT}$${TAG}`,
      `$argon2id$v=19$m=19456,t=2,p=17$${SALT}$${TAG}`,
    ]
    for (const hash of costly) {
      assert.equal(readHash(hash), 'costly', hash)
      const start = performance.now()
      assert.equal(await hasher.verify(hash, PASSWORD), false)
      assert.ok(performance.now() - start < 1000, hash)
      assert.equal(hasher.outdated(hash), true)
    }
  })

  test('what stands at the cap is still computed', () => {
    const dear = [
      `$2b$14$${BCRYPT}`,
      `$pbkdf2-sha256$i=5000000,l=32$${SALT}$${TAG}`,
      `$scrypt$ln=17,r=8,p=4$${SALT}$${TAG}`,
      `$scrypt$ln=18,r=8,p=1$${SALT}$${TAG}`,
      `$argon2id$v=19$m=262144,t=10,p=16$${SALT}$${TAG}`,
    ]
    for (const hash of dear) assert.notEqual(typeof readHash(hash), 'string', hash)
  })

  test('has 512 characters at most, whatever they mean', () => {
    const head = `$argon2id$v=19$m=19456,t=2,p=1$${SALT}$`
    const ofLength = (length: number): string => head + 'A'.repeat(length - head.length)
    assert.notEqual(readHash(ofLength(512)), 'unknown')
    for (const length of [513, 514]) assert.equal(readHash(ofLength(length)), 'unknown', `${length}`)
  })

  test('whatever else it is, it is none: other schemes, broken ones, short salts and tags, and passwords themselves', async () => {
    const none = [
      '',
      PASSWORD,
      '$',
      '$$$',
      '{SSHA}MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=',
      '5f4dcc3b5aa765d61d8327deb882cf99',
      '$1$salt$qJH7.N4xYta3aEG/dfqo/0',
      '$6$saltsalt$x',
      `$2x$05$${BCRYPT}`,
      `$2b$5$${BCRYPT}`,
      `$2b$03$${BCRYPT}`,
      `$2b$05$${BCRYPT}x`,
      `$2b$05$${BCRYPT}\n`,
      `$pbkdf2-sha1$1000$${SALT}$${TAG}`,
      `$pbkdf2-sha256$0$${SALT}$${TAG}`,
      `$pbkdf2-sha256$-1$${SALT}$${TAG}`,
      `$pbkdf2-sha256$i=1000,l=31$${SALT}$${PBKDF2}`,
      `$pbkdf2-sha256$1000$AAEC$${TAG}`,
      `$pbkdf2-sha256$1000$${SALT}$AAEC`,
      `$pbkdf2-sha256$1000$${SALT}$${'A'.repeat(300)}`,
      `$scrypt$ln=0,r=8,p=1$${SALT}$${TAG}`,
      `$scrypt$ln=14,r=0,p=1$${SALT}$${TAG}`,
      `$scrypt$ln=14,r=8,p=1$${SALT}`,
      `$argon2id$v=19$m=7,t=1,p=1$${SALT}$${TAG}`,
      `$argon2id$v=19$m=64,t=1,p=1$${SALT}$AAEC`,
      `$argon2id$v=19$m=19456,t=2,p=1$${SALT}$${'A'.repeat(1000)}`,
    ]
    for (const hash of none) {
      assert.equal(readHash(hash), 'unknown', hash)
      assert.equal(await hasher.verify(hash, PASSWORD), false, hash)
    }
  })
})
