import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { parse } from 'yaml'
import { warningsOf } from '../../src/config/checks/warnings.ts'
import { configFrom, loadConfig } from '../../src/config/reading/load.ts'
import { printConfig, shownConfig } from '../../src/config/reading/print.ts'
import type { AuthenticatorBlocks } from '../../src/config/schema/block.ts'
import { formatDuration, parseDuration } from '../../src/config/schema/durations.ts'
import { type JsonSchema, jsonSchema } from '../../src/config/schema/json-schema.ts'
import { acrValuesOf } from '../../src/config/schema/levels.ts'
import { DAY, HOUR, MINUTE, SECOND } from '../../src/kernel/clock.ts'
import { createAcrNames } from '../../src/mfa/assurance/acr.ts'
import { LEVELS } from '../../src/mfa/assurance/levels.ts'
import { BLOCKS } from '../../src/mfa/factors/registry.ts'

const blocks: AuthenticatorBlocks = BLOCKS
const SECRET = 'b7f3a19c40d2e8856a1bc94fd03e7725'
const KEY = 'T9sHn2mXqW0bR4vYc8LkZt6JdP1fGaUe3xOiNwB7MzE='
const issuer = 'https://id.example.com'

const from = (value: object) => configFrom({ issuer, ...value }, { blocks })

/** Everything of the public interface, as its page has it. */
const WHOLE = `
# yaml-language-server: $schema=./stepgate.schema.json
issuer: https://id.example.com
listen: { host: 127.0.0.1, port: 3000, workers: 1, trustedProxies: [] }
metrics: { host: 127.0.0.1, port: 9464 }
secretKey: \${file:secrets/key}
stores:
  state: redis://127.0.0.1:6379/0
  accounts: postgres://stepgate@db/stepgate
  dataDir: data
mail: { smtp: "smtps://user:\${file:secrets/smtp}@mail.example.com", from: "Example <id@example.com>" }
mfa:
  enabled: true
  methods: [email, totp]
  rememberDays: 30
  email: { digits: 6, ttl: 5m, attempts: 5, resendAfter: 60s, maxSendsPerHour: 5, assurance: 2sv }
  totp:  { digits: 6, period: 30s, window: 1, maxPerUser: 5, reshowQr: owner }
  recoveryCodes: 10
  enrolment: { guard: auto, grace: 0 }
policy:
  rules:
    - { name: office, when: { networks: [192.0.2.0/24] }, rememberDays: 90 }
    - { name: finance, when: { clients: [erp], groups: [finance] }, require: mfa, methods: [totp], rememberDays: 0, maxAge: 15m }
    - { name: contractors, when: { groups: [contractors], clients: [erp] }, deny: true }
sessions: { idle: 1h, absolute: 12h, signIn: 15m }
tokens: { access: 10m, id: 10m, refresh: 30d }
passwords: { minLength: 8, resetByMail: withOtherFactor }
outbound: { allowHosts: [] }
acr: {}
limits: {}
clients:
  - client_id: nocobase
    client_secret: \${env:NOCOBASE_SECRET}
    redirect_uris: ["https://app.example.com/api/oidc:redirect"]
    post_logout_redirect_uris: ["https://app.example.com/"]
    pkce: optional
  - { client_id: erp, client_secret: "\${env:NOCOBASE_SECRET}", redirect_uris: [https://erp.example.com/cb] }
branding: { name: Example, logo: ./logo.svg, color: "#2457d6" }
languages: [en, sv]
clock: { check: warn, servers: [], maxOffset: 5s }
`

describe('a configuration', () => {
  let folder = ''
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'stepgate-config-'))
    mkdirSync(join(folder, 'secrets'))
    writeFileSync(join(folder, 'secrets/key'), `${KEY}\n`, { mode: 0o600 })
    writeFileSync(join(folder, 'secrets/smtp'), 'p@ss:w/rd?#%\n', { mode: 0o600 })
    writeFileSync(join(folder, 'logo.svg'), '<svg/>')
  })
  after(() => rmSync(folder, { recursive: true }))

  function load(yaml: string, env: Record<string, string> = {}) {
    const file = join(folder, 'stepgate.yaml')
    writeFileSync(file, yaml)
    return loadConfig(file, { blocks, env })
  }

  const whole = () => load(WHOLE, { NOCOBASE_SECRET: SECRET })

  it('needs no key but issuer, and everything else has the documented default', () => {
    const config = from({})
    assert.deepEqual(config.listen, { host: '127.0.0.1', port: 3000, workers: 1, trustedProxies: [] })
    assert.deepEqual(config.stores, { state: undefined, accounts: undefined, dataDir: resolve('data') })
    assert.deepEqual([config.metrics, config.secretKey, config.mail], [undefined, undefined, undefined])
    // What a kind of factor brings is held by its own tests; of those here, email and totp.
    const { blocks, ...mfa } = config.mfa
    assert.deepEqual(mfa, {
      enabled: undefined,
      optOut: undefined,
      methods: 'auto',
      rememberDays: 30,
      recoveryCodes: 10,
      enrolment: { guard: 'auto', grace: 'none' },
    })
    const email = { digits: 6, ttl: 5 * MINUTE, attempts: 5, resendAfter: MINUTE, maxSendsPerHour: 5, assurance: '2sv' }
    assert.deepEqual(blocks.email, email)
    assert.deepEqual(blocks.totp, { digits: 6, period: 30 * SECOND, window: 1, maxPerUser: 5, reshowQr: 'owner' })
    assert.deepEqual(config.sessions, { idle: HOUR, absolute: 12 * HOUR, signIn: 15 * MINUTE })
    assert.deepEqual(config.tokens, { access: 10 * MINUTE, id: 10 * MINUTE, refresh: 30 * DAY, rsaBits: 2048 })
    assert.deepEqual(config.passwords, { minLength: 8, resetByMail: 'withOtherFactor' })
    assert.deepEqual(config.limits, {
      codesPerInteraction: 5,
      codesPerHour: 10,
      codesPerDay: 30,
      codeFailuresInARow: 100,
      mailsPerInteraction: 3,
      mailsPerDay: 10,
      passwordTries: 5,
      passwordDelay: 30 * SECOND,
      passwordDelayMax: HOUR,
      passwordFailuresPerAddress: 20,
      passwordWindow: 15 * MINUTE,
      accountsPerAddress: 100,
      resetsPerHour: 3,
      resetsPerAddress: 20,
      clientAuthPerMinute: 20,
      interactionsPerAddress: 300,
      hashQueue: 64,
      hashWait: 2 * SECOND,
      bodyBytes: 16_384,
      headerBytes: 16_384,
      parameters: 100,
      connections: 2000,
      deviceGrace: MINUTE,
    })
    assert.deepEqual([config.acr, config.clients, config.policy], [{}, [], { rules: [] }])
    assert.deepEqual(config.clock, { check: 'warn', servers: [], maxOffset: 5 * SECOND })
    assert.deepEqual(config.languages, ['en', 'sv'])
  })

  it('may be the whole file of the public interface', () => {
    const config = whole()
    assert.equal(config.file, join(folder, 'stepgate.yaml'))
    assert.equal(config.stores.dataDir, join(folder, 'data'))
    assert.equal(config.branding.logo, join(folder, 'logo.svg'))
    assert.equal(config.secretKey?.toString('base64'), KEY)
    assert.deepEqual(config.mail?.from, { name: 'Example', address: 'id@example.com' })
    assert.deepEqual(config.policy.rules[1], {
      name: 'finance',
      when: { clients: ['erp'], groups: ['finance'] },
      require: 'mfa',
      methods: ['totp'],
      rememberDays: 0,
      maxAge: 15 * MINUTE,
      deny: false,
    })
    const [nocobase] = config.clients
    assert.deepEqual(nocobase?.redirect_uris, ['https://app.example.com/api/oidc:redirect'])
    assert.deepEqual([nocobase?.pkce, nocobase?.firstParty, nocobase?.response_types], ['optional', true, ['code']])
  })

  it('keeps the answer of the set-up question when mfa is not in the file (A10)', () => {
    assert.equal(load(`issuer: ${issuer}\n`).mfa.enabled, undefined)
  })

  it('may turn second factors off with both confirmations (A5)', () => {
    const optOut = { understood: true, disableMfa: true }
    assert.equal(from({ mfa: { enabled: false, optOut } }).mfa.enabled, false)
  })

  it('takes an issuer as its origin, http on loopback only', () => {
    const origins: [string, string][] = [
      ['https://ID.example.com/', 'https://id.example.com'],
      ['https://id.example.com:443', 'https://id.example.com'],
      ['https://id.example.com:8443', 'https://id.example.com:8443'],
      ['http://localhost:3000', 'http://localhost:3000'],
      ['http://127.0.0.2:3000/', 'http://127.0.0.2:3000'],
      ['http://[::1]:3000', 'http://[::1]:3000'],
    ]
    for (const [written, origin] of origins) assert.equal(from({ issuer: written }).issuer, origin)
  })

  it('accepts every address of Redis and PostgreSQL that the interface names', () => {
    const states = [
      'redis://127.0.0.1:6379/0',
      'rediss://user:secret@cache.example.com',
      'redis+sentinel://h1,h2,h3/NAME/0',
      'rediss+sentinel://:pw@h1:26379,[::1]:26379/NAME/0',
      'redis+cluster://h1,h2',
    ]
    for (const state of states) assert.equal(from({ stores: { state } }).stores.state, state)
    const accounts = [
      'postgres://stepgate@db/stepgate',
      'postgresql://u:p@db:5432/s',
      'postgres:///s?host=/run/postgresql',
    ]
    for (const url of accounts) {
      assert.equal(from({ secretKey: KEY, stores: { accounts: url } }).stores.accounts, url)
    }
  })

  describe('insertions', () => {
    // biome-ignore-start lint/suspicious/noTemplateCurlyInString: insertions of the file
    it('stand for the text itself, a last newline cut, nothing else', () => {
      writeFileSync(join(folder, 'secrets/lines'), `${SECRET}:\n\n`, { mode: 0o400 })
      const file = (secret: string) =>
        `issuer: ${issuer}\nclients:\n  - client_id: a\n    client_secret: ${secret}\n    redirect_uris: [https://a.test/]\n`
      assert.throws(() => load(file('${file:secrets/lines}')), /must be one line/)
      const strange = `${SECRET}: "'#{}[]&*!|>%@\`\\n \${env:HOME}`
      for (const quoted of ['${env:A}', '"${env:A}"', "'${env:A}'", '>-\n      ${env:A}']) {
        assert.equal(load(file(quoted), { A: strange }).clients[0]?.client_secret, strange)
      }
    })

    it('are percent-encoded inside a URL, so that a password cannot become a host', () => {
      assert.equal(whole().mail?.smtp, 'smtps://user:p%40ss%3Aw%2Frd%3F%23%25@mail.example.com')
    })

    it('stay as they are where the whole URL is inserted', () => {
      const state = 'redis://:a%40b@127.0.0.1:6379/0'
      assert.equal(
        load(`issuer: ${issuer}\nstores: { state: "\${env:REDIS}" }\n`, { REDIS: state }).stores.state,
        state,
      )
    })
    // biome-ignore-end lint/suspicious/noTemplateCurlyInString: insertions of the file

    it('are not read in keys and comments', () => {
      assert.equal(load(`# \${env:NOWHERE}\nissuer: ${issuer}\n`).issuer, issuer)
    })
  })

  it('lets aliases repeat what an anchor names', () => {
    const config = load(
      `issuer: ${issuer}\npolicy:\n  rules:\n    - { name: a, when: &w { groups: [x] } }\n    - { name: b, when: *w }\n`,
    )
    assert.deepEqual(config.policy.rules[1]?.when, { groups: ['x'] })
  })

  it('cannot reach a prototype (WE-15)', () => {
    assert.throws(() => load(`issuer: ${issuer}\n__proto__: { polluted: true }\n`), /__proto__: unknown key/)
    assert.throws(() => from({ mfa: JSON.parse('{"__proto__": {"enabled": false}}') }), /mfa.__proto__: unknown key/)
    assert.equal(({} as Record<string, unknown>).polluted, undefined)
  })

  it('reads grace periods in all their forms', () => {
    const graceOf = (grace: unknown) => from({ mfa: { enrolment: { grace } } }).mfa.enrolment.grace
    assert.deepEqual(graceOf(0), 'none')
    assert.deepEqual(graceOf('14d'), { within: 14 * DAY })
    assert.deepEqual(graceOf('5 sign-ins'), { signIns: 5 })
    assert.deepEqual(graceOf('2027-01-31'), { until: Date.parse('2027-02-01T00:00:00Z') })
  })

  it('gives clients what their kind needs', () => {
    const redirect_uris = ['https://app.example.com/cb']
    const none = 'token_endpoint_auth_method'
    const accepted = [
      { client_id: 'spa', [none]: 'none', redirect_uris, allowOrigins: ['https://app.example.com'] },
      {
        client_id: 'phone',
        [none]: 'none',
        application_type: 'native',
        redirect_uris: [
          'com.example.app:/cb',
          'http://127.0.0.1/cb',
          'http://[::1]:7777/cb',
          'https://app.example.com/cb',
        ],
        grant_types: ['authorization_code', 'refresh_token'],
      },
      { client_id: 'machine', client_secret: SECRET, grant_types: ['client_credentials'], response_types: [] },
      { client_id: 'api', client_secret: SECRET, grant_types: [] },
      {
        client_id: 'keys',
        [none]: 'private_key_jwt',
        jwks: { keys: [{ kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', kid: '1' }] },
        redirect_uris,
      },
      { client_id: 'local', client_secret: SECRET, redirect_uris: ['http://localhost:3001/cb'] },
      {
        client_id: 'inside',
        client_secret: SECRET,
        redirect_uris,
        backchannel_logout_uri: 'http://ERP.internal:8080/logout',
        jwks_uri: 'https://10.0.0.5/jwks',
      },
      {
        client_id: 'strict',
        client_secret: SECRET,
        redirect_uris,
        require: 'mfa',
        default_acr_values: ['gold', 'phr'],
      },
    ]
    const { clients } = from({
      clients: accepted,
      outbound: { allowHosts: ['erp.internal:8080', '10.0.0.5'] },
      acr: { mfa: ['gold', 'golden'] },
    })
    assert.deepEqual(
      clients.map(({ client_id }) => client_id),
      accepted.map(({ client_id }) => client_id),
    )
    assert.deepEqual(
      clients.map(({ response_types }) => response_types.length),
      [1, 1, 0, 0, 1, 1, 1, 1],
    )
  })

  it('says acr values as lists, the one to emit first', () => {
    assert.deepEqual(from({ acr: { mfa: 'gold', '2sv': ['silver', 'tin'] } }).acr, {
      '2sv': ['silver', 'tin'],
      mfa: ['gold'],
    })
  })

  it('knows the levels and the names that tokens use', () => {
    const names = createAcrNames({})
    for (const level of LEVELS.names) assert.deepEqual(acrValuesOf(level, undefined), [names.nameOf(level)])
  })

  it('spells durations as it reads them', () => {
    for (const text of ['0s', '1ms', '1500ms', '90s', '10m', '25h', '30d']) {
      assert.equal(formatDuration(parseDuration(text) ?? Number.NaN), text)
    }
  })

  describe('printed', () => {
    it('masks every secret (KM-4)', () => {
      const config = load(
        WHOLE.replace('redis://127.0.0.1', 'redis://:redis-pw@127.0.0.1').replace('stepgate@db', 'stepgate:db-pw@db'),
        { NOCOBASE_SECRET: SECRET },
      )
      const printed = `${printConfig(config, { blocks })}${JSON.stringify(shownConfig(config, { blocks }))}`
      for (const secret of [SECRET, KEY, 'p%40ss', 'redis-pw', 'db-pw', 'p@ss'])
        assert.ok(!printed.includes(secret), secret)
      assert.match(printed, /state: redis:\/\/:\*{8}@127/)
    })

    it('is the file that would give the same configuration', () => {
      const grace = { enrolment: { grace: '5 sign-ins' }, totp: { period: '60s' } }
      const original = from({
        mfa: { ...grace, methods: ['totp'] },
        policy: { rules: [{ name: 'a', maxAge: '90s', grace: '2027-01-31' }] },
        acr: { mfa: 'gold' },
        mail: { smtp: 'smtp://127.0.0.1', from: '"Doe, J" <id@example.com>' },
        clients: [{ client_id: 'a', token_endpoint_auth_method: 'none', redirect_uris: ['https://a.test/'] }],
      })
      assert.deepEqual(configFrom(parse(printConfig(original, { blocks })), { blocks }), original)
    })
  })

  describe('warnings', () => {
    const keys = (value: object) => warningsOf(from(value), { blocks }).map(({ key }) => key)

    it('name connections over a network without TLS or password (KM-9)', () => {
      const open = { state: 'redis://cache.example.com', accounts: 'postgres://u:p@db.example.com/s' }
      assert.deepEqual(keys({ secretKey: KEY, stores: open }), ['stores.state', 'stores.state', 'stores.accounts'])
      const safe = {
        state: 'rediss://:pw@cache.example.com',
        accounts: 'postgres://db.example.com/s?sslmode=verify-full',
      }
      assert.deepEqual(keys({ secretKey: KEY, stores: safe }), [])
      const local = { state: 'redis+sentinel://127.0.0.1:26379,[::1]:26379/m', accounts: 'postgres:///s?host=/run/pg' }
      assert.deepEqual(keys({ secretKey: KEY, stores: local }), [])
      assert.deepEqual(keys({ stores: { state: 'redis+cluster://:pw@127.0.0.1,far.example.com' } }), ['stores.state'])
    })

    it('name long sessions and short passwords that sign in alone (SE-4, PW-1)', () => {
      assert.deepEqual(keys({ sessions: { idle: '2h', absolute: '7d' } }), ['sessions.idle', 'sessions.absolute'])
      const off = { policy: { rules: [{ name: 'a', secondFactor: 'off' }] } }
      assert.deepEqual(keys(off), ['passwords.minLength'])
      assert.deepEqual(keys({ ...off, passwords: { minLength: 15 } }), [])
    })

    it('name secrets in a file that others can read (KM-4)', () => {
      const yaml = `issuer: ${issuer}\nsecretKey: ${KEY}\n`
      assert.deepEqual(
        warningsOf(load(yaml), { blocks }).map(({ key }) => key),
        ['secretKey'],
      )
      const smtp = `issuer: ${issuer}\nmail: { from: a@x.test, smtp: "smtp://u:a%20b@127.0.0.1" }\n`
      assert.deepEqual(
        warningsOf(load(smtp), { blocks }).map(({ key }) => key),
        ['mail.smtp'],
      )
      chmodSync(join(folder, 'stepgate.yaml'), 0o600)
      assert.deepEqual(warningsOf(load(yaml), { blocks }), [])
      chmodSync(join(folder, 'stepgate.yaml'), 0o644)
      assert.deepEqual(warningsOf(load(`issuer: ${issuer}\nsecretKey: \${file:secrets/key}\n`), { blocks }), [])
    })
  })
})

describe('the files that come with the product', () => {
  it('stepgate.yaml runs as it is, on loopback, with second factors on', () => {
    const config = loadConfig('config/stepgate.yaml', { blocks })
    assert.equal(config.issuer, 'http://127.0.0.1:3000')
    assert.deepEqual([config.mfa.enabled, config.mfa.methods, config.clients], [true, ['totp'], []])
    assert.deepEqual([config.stores.state, config.stores.accounts], [undefined, undefined])
    assert.equal(config.stores.dataDir, resolve('data'))
    assert.deepEqual(warningsOf(config, { blocks }), [])
  })

  it('production.example.yaml is a configuration without a warning once its secrets are there', () => {
    const folder = mkdtempSync(join(tmpdir(), 'stepgate-production-'))
    const secrets = {
      'stepgate.key': KEY,
      redis: 'r',
      postgres: 'p',
      smtp: 's',
      nocobase: SECRET,
      erp: SECRET,
      reports: SECRET,
    }
    for (const [name, secret] of Object.entries(secrets)) writeFileSync(join(folder, name), secret, { mode: 0o600 })
    const text = readFileSync('config/production.example.yaml', 'utf8').replaceAll('/run/secrets/', `${folder}/`)
    writeFileSync(join(folder, 'stepgate.yaml'), text)
    const config = loadConfig(join(folder, 'stepgate.yaml'), { blocks, env: {} })
    assert.equal(config.clients.length, 5)
    assert.deepEqual(warningsOf(config, { blocks }), [])
    rmSync(folder, { recursive: true })
  })

  it('schema and reference page are what the code says', () => {
    const run = spawnSync(process.execPath, ['scripts/generate.ts', '--check'], { encoding: 'utf8' })
    assert.equal(run.status, 0, run.stderr)
  })

  it('the schema explains every key, for editors and the reference page', () => {
    const silent = keysWithoutMeaning(jsonSchema(blocks), '')
    assert.deepEqual(silent, [])
  })
})

function keysWithoutMeaning(schema: JsonSchema, prefix: string): string[] {
  const inner = schema.items?.properties === undefined ? schema : schema.items
  return Object.entries(inner.properties ?? {}).flatMap(([key, value]) => [
    ...(value.description === undefined ? [`${prefix}${key}`] : []),
    ...keysWithoutMeaning(value, `${prefix}${key}.`),
  ])
}
