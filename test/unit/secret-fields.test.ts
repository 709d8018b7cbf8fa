import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { z } from 'zod'
import { warningsOf } from '../../src/config/checks/warnings.ts'
import { changesBetween } from '../../src/config/reading/changes.ts'
import { ConfigFileError } from '../../src/config/reading/config-errors.ts'
import { loadConfig } from '../../src/config/reading/load.ts'
import { printConfig, shownConfig } from '../../src/config/reading/print.ts'
import { createReloader } from '../../src/config/reading/watch.ts'
import type { AuthenticatorBlocks } from '../../src/config/schema/block.ts'
import { clientOf } from '../../src/config/schema/clients.ts'
import { line } from '../../src/config/schema/fields.ts'
import { type FileFormat, schemaOf } from '../../src/config/schema/schema.ts'
import { mapSecrets, maskOf, secret, secretsIn, urlWithPassword } from '../../src/config/schema/secret-fields.ts'
import type { Log } from '../../src/kernel/log.ts'
import { LEVELS } from '../../src/mfa/assurance/levels.ts'
import { BLOCKS } from '../../src/mfa/factors/registry.ts'

const MASK = '********'
const CLIENT_SECRET = 'b7f3a19c40d2e8856a1bc94fd03e7725'

/** A rule that makes the mistake of quoting what it refuses. */
const quoting = (text: string) => `must not be ${text}`
const field = () =>
  line({ max: 100 }).refine((text) => !text.startsWith('bad'), {
    error: ({ input }) => quoting(String(input)),
  })

/** What a newcomer would write: one more factor with secrets in its block, and a client with one more secret. */
const blocks: AuthenticatorBlocks = {
  ...BLOCKS,
  sms: {
    schema: z.strictObject({
      apiKey: secret(field()).optional().describe('What the carrier knows us by.'),
      gateway: urlWithPassword(field()).prefault('https://sms.example.com').describe('The carrier.'),
      senders: z.array(z.strictObject({ name: line({ max: 20 }), pin: secret(field()) })).prefault([]),
    }),
    requires: [],
  },
}
const format: FileFormat = {
  blocks,
  schema: schemaOf(blocks).extend({
    clients: z.array(clientOf(LEVELS).extend({ api_token: secret(field()).optional() })).prefault([]),
  }),
}

interface Values {
  apiKey: string
  password: string
  pin: string
  token: string
}
const FIRST: Values = { apiKey: 'first-api-key', password: 'first-password', pin: 'first-pin', token: 'first-token' }
const SECOND: Values = { apiKey: 'second-api-key', password: 'second-pass', pin: 'second-pin', token: 'second-token' }

function yaml({ apiKey, password, pin, token }: Values): string {
  return `issuer: https://id.example.com
mfa:
  methods: [totp]
  sms:
    apiKey: ${apiKey}
    gateway: https://us:${password}@sms.example.com
    senders: [{ name: nordic, pin: ${pin} }]
clients:
  - client_id: app
    client_secret: ${CLIENT_SECRET}
    redirect_uris: ["https://app.example.com/"]
    api_token: ${token}
`
}

const KEYS = ['mfa.sms.apiKey', 'mfa.sms.gateway', 'mfa.sms.senders[0].pin', 'clients[0].api_token']

describe('a field that the schema calls a secret is one everywhere', () => {
  let folder = ''
  let file = ''
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'stepgate-secrets-'))
    file = join(folder, 'stepgate.yaml')
  })
  after(() => rmSync(folder, { recursive: true }))

  function load(values: Values, mode = 0o600) {
    rmSync(file, { force: true })
    writeFileSync(file, yaml(values), { mode })
    return loadConfig(file, format)
  }

  function assertHidden(text: string): void {
    for (const value of [...Object.values(FIRST), ...Object.values(SECOND), CLIENT_SECRET]) {
      assert.ok(!text.includes(value), `${value} in ${text}`)
    }
  }

  it('masked in `config print`, as text and as JSON, and what is no secret is shown', () => {
    const config = load(FIRST)
    const shown = shownConfig(config, format) as { mfa: { sms: object }; clients: object[] }
    assert.deepEqual(shown.mfa.sms, {
      apiKey: MASK,
      gateway: `https://us:${MASK}@sms.example.com`,
      senders: [{ name: 'nordic', pin: MASK }],
    })
    assert.equal((shown.clients[0] as { api_token: string }).api_token, MASK)
    assertHidden(JSON.stringify(shown))
    const printed = printConfig(config, format)
    assert.match(printed, /api_token: "\*{8}"/)
    assertHidden(printed)
  })

  it('masked in what a reload logs, and that it changed is seen', async () => {
    const lines: unknown[] = []
    const say = (message: string, details?: unknown): void => void lines.push({ message, details })
    const log: Log = { debug: say, info: say, warn: say, error: say }
    const reloader = createReloader(load(FIRST), { ...format, apply: async () => {}, log })
    try {
      load(SECOND)
      assert.equal(await reloader.reload(), 'applied')
      const both = { before: MASK, after: MASK }
      const address = `https://us:${MASK}@sms.example.com`
      assert.deepEqual(lines, [
        {
          message: 'the configuration was reloaded',
          details: {
            changes: [
              { key: 'mfa.sms.apiKey', ...both },
              { key: 'mfa.sms.gateway', before: address, after: address },
              { key: 'mfa.sms.senders.nordic.pin', ...both },
              { key: 'clients.app.api_token', ...both },
            ],
          },
        },
      ])
    } finally {
      reloader.close()
    }
  })

  it('compared by what it is: the same secrets are no change', () => {
    assert.deepEqual(changesBetween(load(FIRST), load(FIRST), format), [])
  })

  it('warned of where others can read the file, by key and without the value (KM-4)', () => {
    const warnings = warningsOf(load(FIRST, 0o644), format)
    assert.deepEqual(
      warnings.map(({ key }) => key),
      [...KEYS.slice(0, 3), 'clients[0].client_secret', 'clients[0].api_token'],
    )
    assertHidden(JSON.stringify(warnings))
    assert.deepEqual(warningsOf(load(FIRST), format), [])
  })

  it('masked in error messages, also where the rule of the field quotes what it refuses', () => {
    const bad: Values = { apiKey: 'bad-api-key', password: 'bad-password', pin: 'bad-pin-code', token: 'bad-token' }
    const written = yaml(bad).replace('https://us:', 'bad://us:')
    writeFileSync(file, written, { mode: 0o600 })
    try {
      loadConfig(file, format)
      assert.fail('it was accepted')
    } catch (error) {
      assert.ok(error instanceof ConfigFileError, String(error))
      const lines = [5, 6, 7, 12]
      assert.deepEqual(
        error.all.map(({ message }) => message),
        KEYS.map((key, index) => {
          const shown = key === 'mfa.sms.gateway' ? `bad://us:${MASK}@sms.example.com` : MASK
          return `${file}:${lines[index]}: ${key}: ${quoting(shown)}`
        }),
      )
    }
  })
})

describe('the mark of a secret', () => {
  const mask = (schema: z.ZodType, value: unknown) => mapSecrets(schema, value, maskOf)

  it('stays through whatever is chained behind it', () => {
    const marked = secret(z.string())
    for (const schema of [
      marked
        .min(3)
        .max(9)
        .refine(() => true),
      marked.optional().describe('x'),
      marked.prefault('x'),
      marked.default('x').readonly(),
      marked.nullable(),
      marked.catch('x'),
      marked.transform((text) => text.length),
      z.preprocess((value) => value, marked),
      secret(z.codec(z.string(), z.number(), { decode: Number, encode: String })).optional(),
    ]) {
      assert.equal(mask(schema, 'sesame'), MASK)
    }
  })

  it('does not stray to other fields made of the same one', () => {
    const plain = z.string()
    secret(plain)
    assert.equal(mask(plain, 'shown'), 'shown')
  })

  it('is found in lists, records, tuples, unions, intersections, catch-alls and references', () => {
    const key = secret(z.string())
    const open = z.object({ key })
    const union = z.union([z.literal('auto'), open, z.object({ key, more: z.string() })])
    assert.deepEqual(mask(z.array(open), [{ key: 'a' }]), [{ key: MASK }])
    assert.deepEqual(mask(z.record(z.string(), key), { a: 'a' }), { a: MASK })
    assert.deepEqual(mask(z.tuple([z.string(), key], key), ['a', 'b', 'c']), ['a', MASK, MASK])
    assert.deepEqual(mask(union, { key: 'a', more: 'b' }), { key: MASK, more: 'b' })
    assert.equal(mask(union, 'auto'), 'auto')
    assert.deepEqual(mask(z.intersection(z.object({ a: z.string() }), open), { a: 'a', key: 'a' }), {
      a: 'a',
      key: MASK,
    })
    assert.deepEqual(mask(z.object({}).catchall(key), { other: 'a' }), { other: MASK })
    assert.deepEqual(
      mask(
        z.lazy(() => open),
        { key: 'a' },
      ),
      { key: MASK },
    )
  })

  it('hides a secret that is more than a text as a whole, and one secret is found once', () => {
    const schema = z.object({
      pair: secret(z.object({ a: z.string() })),
      or: z.union([secret(z.string()), secret(z.int())]),
    })
    assert.deepEqual(mask(schema, { pair: { a: 'a' }, or: 7 }), { pair: MASK, or: MASK })
    assert.deepEqual(
      secretsIn(schema, { pair: { a: 'a' }, or: 7 }).map(({ path, value }) => ({ path, value })),
      [
        { path: ['pair'], value: { a: 'a' } },
        { path: ['or'], value: 7 },
      ],
    )
  })
})
