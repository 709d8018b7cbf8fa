import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { ConfigFileError } from '../../src/config/reading/config-errors.ts'
import { loadConfig } from '../../src/config/reading/load.ts'
import type { AuthenticatorBlocks } from '../../src/config/schema/block.ts'
import { BLOCKS } from '../../src/mfa/factors/registry.ts'

const blocks: AuthenticatorBlocks = BLOCKS
const SECRET = 'b7f3a19c40d2e8856a1bc94fd03e7725'
const KEY = 'T9sHn2mXqW0bR4vYc8LkZt6JdP1fGaUe3xOiNwB7MzE='
const ISSUER = 'issuer: https://id.example.com\n'
const PUBLIC = 'token_endpoint_auth_method: none'
const env = {
  SECRET,
  SAMPLE: 'change-me-change-me-change-me-change-me',
  EMPTY: '',
  EVIL: 'evil.example.net/x?',
  FIRST: 'first',
}

/** What the file says, and how the message goes on behind the file's name. */
type Refused = readonly [yaml: string, message: string]

/** A file with one client, whose lines begin at line 4. */
function client(...lines: string[]): string {
  return [`${ISSUER}clients:`, '  - client_id: app', ...lines.map((line) => `    ${line}`), ''].join('\n')
}

function web(...lines: string[]): string {
  return client(`client_secret: ${SECRET}`, 'redirect_uris: [https://app.example.com/cb]', ...lines)
}

function rule(...lines: string[]): string {
  return [`${ISSUER}policy:`, '  rules:', '    - name: office', ...lines.map((line) => `      ${line}`), ''].join('\n')
}

const TABLES: Record<string, readonly Refused[]> = {
  'YAML that is not what it seems to be': [
    ['', '1: issuer: is required'],
    ['# nothing\n', '1: issuer: is required'],
    ['- issuer\n', '1: config: expected keys with values'],
    ['just words\n', '1: config: expected keys with values'],
    [`${ISSUER}issuer: https://other.example.com\n`, '2: issuer: is given twice'],
    [`${ISSUER}mfa:\n  enabled: true\n  enabled: false\n`, '4: mfa.enabled: is given twice'],
    [`${ISSUER}mfa: [\n`, '3: mfa: '],
    [`${ISSUER}mfa:\n\tenabled: true\n`, '3: mfa: '],
    [`${ISSUER}branding: { name: "Example }\n`, '3: branding.name: '],
    [`${ISSUER}---\nlisten: {}\n`, '2: issuer: a second document begins'],
    [`${ISSUER}listen: !!python/object {}\n`, '2: listen: has an unknown tag'],
    [`${ISSUER}listen: *nowhere\n`, '2: listen: is an alias without an anchor'],
    [
      `a: &a [x, x]\nb: &b [*a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b]\nd: [*c, *c, *c, *c, *c]\n`,
      '1: config: has too many',
    ],
    [`${ISSUER}listen:\n`, '2: listen: is empty'],
    [`${ISSUER}__proto__: { listen: { port: 1 } }\n`, '2: __proto__: unknown key'],
    [`${ISSUER}mfa:\n  __proto__: { enabled: false }\n`, '3: mfa.__proto__: unknown key'],
    [`${ISSUER}constructor: 1\n`, '2: constructor: unknown key'],
  ],
  'unknown keys, with the one that was meant': [
    [`${ISSUER}mfa:\n  metods: [totp]\n`, '3: mfa.metods: unknown key (did you mean mfa.methods?)'],
    [`${ISSUER}Issuer: x\n`, '2: Issuer: unknown key (did you mean issuer?)'],
    [`${ISSUER}rememberDays: 5\n`, '2: rememberDays: unknown key (did you mean mfa.rememberDays?)'],
    [`${ISSUER}session: {}\n`, '2: session: unknown key (did you mean sessions?)'],
    [`${ISSUER}mfa: { sms: {} }\n`, '2: mfa.sms: unknown key'],
    [`${ISSUER}mfa: { totp: { digit: 6 } }\n`, '2: mfa.totp.digit: unknown key (did you mean mfa.totp.digits?)'],
    [`${ISSUER}limits: { codes: 5 }\n`, '2: limits.codes: unknown key'],
    [
      web('redirect_uri: https://x.test/'),
      '6: clients[0].redirect_uri: unknown key (did you mean clients[0].redirect_uris?)',
    ],
    [web('clientName: App'), '6: clients[0].clientName: unknown key (did you mean clients[0].client_name?)'],
    [rule('remember: 5'), '5: policy.rules[0].remember: unknown key'],
    [rule('when: { networks: [192.0.2.1], hosts: [a] }'), '5: policy.rules[0].when.hosts: unknown key'],
  ],
  'an issuer that is no safe origin (KM-3)': [
    ['issuer: id.example.com\n', '1: issuer: must be an address such as'],
    ['issuer: 7\n', '1: issuer: expected text'],
    ['issuer: ftp://id.example.com\n', '1: issuer: must be an address such as'],
    ['issuer: http://id.example.com\n', '1: issuer: must be https'],
    ['issuer: http://10.0.0.1:3000\n', '1: issuer: must be https'],
    ['issuer: http://localhost.example.com\n', '1: issuer: must be https'],
    ['issuer: https://id.example.com/auth\n', '1: issuer: must have no path'],
    ['issuer: https://id.example.com/?a=b\n', '1: issuer: must have no path'],
    ['issuer: "https://id.example.com/#"\n', '1: issuer: must have no path'],
    ['issuer: https://user:pass@id.example.com\n', '1: issuer: must have no path'],
    ['issuer: "https:\\\\\\\\id.example.com"\n', '1: issuer: must be an address such as'],
    ['issuer: "https://id.example.com "\n', '1: issuer: must be an address such as'],
  ],
  'where it listens and what it stores': [
    [`${ISSUER}listen: { port: 65536 }\n`, '2: listen.port: must be a whole number from 0 to 65535'],
    [`${ISSUER}listen: { port: "3000" }\n`, '2: listen.port: must be a whole number'],
    [`${ISSUER}listen: { workers: 2 }\n`, '2: listen.workers: more than one worker needs stores.state'],
    [
      `${ISSUER}listen: { workers: 2 }\nstores: { state: "redis://127.0.0.1" }\n`,
      '2: listen.workers: more than one worker needs stores.accounts',
    ],
    [`${ISSUER}listen: { trustedProxies: [proxy] }\n`, '2: listen.trustedProxies[0]: must be an address or a network'],
    [`${ISSUER}listen: { trustedProxies: [10.0.0.1/8] }\n`, '2: listen.trustedProxies[0]: must be an address'],
    [`${ISSUER}metrics: { port: 3000 }\n`, '2: metrics.port: must differ from listen.port'],
    [`${ISSUER}secretKey: c2hvcnQ=\n`, '2: secretKey: must be 32 random bytes'],
    [`${ISSUER}secretKey: ${Buffer.alloc(32, 'x').toString('base64')}\n`, '2: secretKey: is not random'],
    [
      `${ISSUER}secretKey: ${Buffer.from(Array.from({ length: 32 }, (_, index) => index)).toString('base64')}\n`,
      '2: secretKey: is not random',
    ],
    [
      `${ISSUER}secretKey: ${Buffer.from('a sentence of thirty-two letters').toString('base64')}\n`,
      '2: secretKey: is not random',
    ],
    [`${ISSUER}stores: { accounts: "postgres://db/stepgate" }\n`, '1: secretKey: is required with stores.accounts'],
    [`${ISSUER}stores:\n  state: memcached://127.0.0.1\n`, '3: stores.state: must be an address of Redis'],
    [`${ISSUER}stores:\n  state: redis+sentinel:///NAME/0\n`, '3: stores.state: must be an address of Redis'],
    [
      `${ISSUER}secretKey: ${KEY}\nstores:\n  accounts: mysql://db/stepgate\n`,
      '4: stores.accounts: must be an address of PostgreSQL',
    ],
    [
      `${ISSUER}secretKey: ${KEY}\nstores:\n  accounts: postgres://u:change-me@db/stepgate\n`,
      '4: stores.accounts: holds a sample password',
    ],
  ],
  mail: [
    [`${ISSUER}mail: { smtp: "smtp://mail.example.com" }\n`, '2: mail.from: is required'],
    [`${ISSUER}mail: { from: id@example.com }\n`, '2: mail.smtp: is required'],
    [`${ISSUER}mail: { from: id@example.com, smtp: mail.example.com }\n`, '2: mail.smtp: must be an address such as'],
    [`${ISSUER}mail: { smtp: "smtp://m", from: "a@x.test, b@x.test" }\n`, '2: mail.from: must be one address'],
    [`${ISSUER}mail: { smtp: "smtp://m", from: "A <a@x.test> B" }\n`, '2: mail.from: must be one address'],
    [`${ISSUER}mail: { smtp: "smtp://m", from: "a@x.test\\r\\nBcc: b@x.test" }\n`, '2: mail.from: must be one line'],
    [`${ISSUER}mail: { smtp: "smtp://m", from: Example }\n`, '2: mail.from: must be one address'],
  ],
  'second factors that cannot work (B4)': [
    [`${ISSUER}mfa:\n  enabled: false\n`, '2: mfa.optOut.understood: must be true'],
    [`${ISSUER}mfa:\n  enabled: false\n  optOut: { understood: true }\n`, '4: mfa.optOut.disableMfa: must be true'],
    [
      `${ISSUER}mfa:\n  enabled: false\n  optOut: { understood: false, disableMfa: true }\n`,
      '4: mfa.optOut.understood: must be true',
    ],
    [`${ISSUER}mfa: { enabled: "yes" }\n`, '2: mfa.enabled: expected true or false'],
    [`${ISSUER}mfa:\n  methods: [email, totp]\n`, '3: mfa.methods: email needs mail.smtp'],
    [`${ISSUER}mfa:\n  methods: [sms]\n`, '3: mfa.methods[0]: expected email or totp'],
    [`${ISSUER}mfa:\n  methods: []\n`, '3: mfa.methods: must have at least one entry'],
    [`${ISSUER}mfa:\n  methods: totp\n`, '3: mfa.methods: expected auto or a list of email, totp'],
    [`${ISSUER}mfa:\n  methods: [totp, totp]\n`, '3: mfa.methods: '],
    [`${ISSUER}mfa:\n  rememberDays: 91\n`, '3: mfa.rememberDays: must be a whole number from 0 to 90'],
    [`${ISSUER}mfa:\n  rememberDays: -1\n`, '3: mfa.rememberDays: must be a whole number from 0 to 90'],
    [`${ISSUER}mfa:\n  rememberDays: 1.5\n`, '3: mfa.rememberDays: must be a whole number from 0 to 90'],
    [`${ISSUER}mfa: { email: { resendAfter: 0s } }\n`, '2: mfa.email.resendAfter: must be 1s to 10m'],
    [`${ISSUER}mfa: { email: { resendAfter: 11m } }\n`, '2: mfa.email.resendAfter: must be 1s to 10m'],
    [`${ISSUER}mfa: { email: { maxSendsPerHour: 101 } }\n`, '2: mfa.email.maxSendsPerHour: must be a whole number'],
    [`${ISSUER}mfa: { email: { ttl: 601s } }\n`, '2: mfa.email.ttl: must be 1s to 10m'],
    [`${ISSUER}mfa: { email: { digits: 4 } }\n`, '2: mfa.email.digits: expected 6 or 8'],
    [`${ISSUER}mfa: { totp: { window: 2 } }\n`, '2: mfa.totp.window: must be a whole number from 0 to 1'],
    [`${ISSUER}mfa: { totp: { period: 120s } }\n`, '2: mfa.totp.period: expected 30s or 60s'],
    [`${ISSUER}mfa: { totp: { maxPerUser: 0 } }\n`, '2: mfa.totp.maxPerUser: must be a whole number from 1 to 20'],
    [`${ISSUER}mfa: { enrolment: { guard: email } }\n`, '2: mfa.enrolment.guard: email needs mail.smtp'],
    [`${ISSUER}mfa: { enrolment: { grace: 14 } }\n`, '2: mfa.enrolment.grace: expected 0, a duration'],
    [`${ISSUER}mfa: { enrolment: { grace: 2027-02-30 } }\n`, '2: mfa.enrolment.grace: expected 0, a duration'],
  ],
  rules: [
    [`${ISSUER}policy:\n  rules:\n    - require: mfa\n`, '4: policy.rules[0].name: is required'],
    [rule('when: { clients: [erp] }'), '5: policy.rules[0].when.clients[0]: is not the client_id of a client'],
    [
      rule('when: { networks: [192.0.2.0/33] }'),
      '5: policy.rules[0].when.networks[0]: must be an address or a network',
    ],
    [rule('when: { networks: [192.0.2] }'), '5: policy.rules[0].when.networks[0]: must be an address or a network'],
    [rule('when: { networks: ["2001:db8::1/32"] }'), '5: policy.rules[0].when.networks[0]: must be an address'],
    [rule('when: { groups: [] }'), '5: policy.rules[0].when.groups: must have at least one entry'],
    [rule('when: { groups: }'), '5: policy.rules[0].when.groups: is empty'],
    [rule('require: mfa', 'rememberDays: 30'), '6: policy.rules[0].rememberDays: must be 0 or absent beside require'],
    [rule('require: strong'), '5: policy.rules[0].require: expected pwd or 2sv or mfa or phr'],
    [rule('secondFactor: never'), '5: policy.rules[0].secondFactor: expected required or if-bound or off'],
    [rule('methods: [email]'), '5: policy.rules[0].methods: email needs mail.smtp'],
    [rule('maxAge: 15'), '5: policy.rules[0].maxAge: expected a duration'],
    [`${rule()}    - { name: office }\n`, '5: policy.rules[1].name: is used by another rule'],
  ],
  'durations, limits and looks': [
    [`${ISSUER}sessions: { idle: 3600 }\n`, '2: sessions.idle: expected a duration such as'],
    [`${ISSUER}sessions: { idle: 1 hour }\n`, '2: sessions.idle: expected a duration such as'],
    [`${ISSUER}sessions: { idle: 13h }\n`, '2: sessions.idle: must not be longer than sessions.absolute'],
    [`${ISSUER}sessions: { signIn: 1h }\n`, '2: sessions.signIn: must be 1s to 15m'],
    [`${ISSUER}tokens: { refresh: 31d }\n`, '2: tokens.refresh: must be 1s to 30d'],
    [`${ISSUER}passwords: { minLength: 7 }\n`, '2: passwords.minLength: must be a whole number from 8 to 64'],
    [`${ISSUER}passwords: { resetByMail: "yes" }\n`, '2: passwords.resetByMail: expected withOtherFactor or always'],
    [`${ISSUER}limits: { codeFailuresInARow: 101 }\n`, '2: limits.codeFailuresInARow: must be a whole number from 5'],
    [`${ISSUER}limits: { passwordDelay: 1h, passwordDelayMax: 1m }\n`, '2: limits.passwordDelay: must not be longer'],
    [`${ISSUER}outbound: { allowHosts: ["https://erp"] }\n`, '2: outbound.allowHosts[0]: must be a host name'],
    [`${ISSUER}acr: { mfa: phr }\n`, '2: acr.mfa: phr means phr as well'],
    [`${ISSUER}acr: { mfa: [a, b], 2sv: b }\n`, '2: acr.2sv: b means mfa as well'],
    [`${ISSUER}acr: { mfa: "a b" }\n`, '2: acr.mfa: '],
    [`${ISSUER}branding: { color: "#777" }\n`, '2: branding.color: must be a colour'],
    [`${ISSUER}branding: { color: #2457d6\n  }\n`, '2: branding.color: is empty'],
    [`${ISSUER}branding: { color: "#ffee00" }\n`, '2: branding.color: has a contrast of 1.2 to white'],
    [`${ISSUER}branding: { logo: nowhere.svg }\n`, '2: branding.logo: is not a file'],
    [`${ISSUER}branding: { logo: logo.exe }\n`, '2: branding.logo: must be a .svg or .png file'],
    [`${ISSUER}languages: []\n`, '2: languages: must have at least one entry'],
    [`${ISSUER}languages: [../en]\n`, '2: languages[0]: must be language tags'],
    [`${ISSUER}clock: { maxOffset: 1h }\n`, '2: clock.maxOffset: must be 100ms to 10m'],
  ],
  'clients that nobody could trust (KM-3, SS-2)': [
    [client('redirect_uris: [https://app.example.com/cb]'), '3: clients[0].client_secret: is required'],
    [
      client('client_secret: short', 'redirect_uris: [https://a.test/]'),
      '4: clients[0].client_secret: must have at least',
    ],
    [
      client('client_secret: 12345678901234567890123456789012', 'redirect_uris: [https://a.test/]'),
      '4: clients[0].client_secret: expected text',
    ],
    [
      client(`client_secret: ${'x'.repeat(40)}`, 'redirect_uris: [https://a.test/]'),
      '4: clients[0].client_secret: is not random',
    ],
    [
      client(`client_secret: ${'secret'.repeat(6)}`, 'redirect_uris: [https://a.test/]'),
      '4: clients[0].client_secret: is a sample',
    ],
    [
      // biome-ignore lint/suspicious/noTemplateCurlyInString: an insertion of the file
      client('client_secret: ${env:SAMPLE}', 'redirect_uris: [https://a.test/]'),
      '4: clients[0].client_secret: is a sample',
    ],
    [
      client(`client_secret: ${SECRET}`, 'redirect_uris: [https://a.test/]', 'logo: nowhere.svg'),
      '6: clients[0].logo: is not a file',
    ],
    [
      client(`client_secret: ${SECRET}`, 'redirect_uris: [https://a.test/]', 'logo: https://a.test/logo.gif'),
      '6: clients[0].logo: must be a .svg or .png file',
    ],
    [client(`client_secret: ${SECRET}`), '3: clients[0].redirect_uris: must have at least one entry'],
    [
      `${web()}  - client_id: app\n    client_secret: ${SECRET}\n    grant_types: []\n`,
      '6: clients[1].client_id: is used by',
    ],
    ...['stepgate-account', 'stepgate-account-change'].map((id): [string, string] => [
      `${ISSUER}clients:\n  - client_id: ${id}\n    client_secret: ${SECRET}\n    grant_types: []\n`,
      "3: clients[0].client_id: is the gateway's own",
    ]),
    [web('pkce: off'), '6: clients[0].pkce: expected required or optional'],
    [client(PUBLIC, 'redirect_uris: [https://a.test/]', 'pkce: optional'), '6: clients[0].pkce: must be required'],
    [
      client(PUBLIC, `client_secret: ${SECRET}`, 'redirect_uris: [https://a.test/]'),
      '5: clients[0].client_secret: has no use',
    ],
    [web('grant_types: [password]'), '6: clients[0].grant_types[0]: expected authorization_code or refresh_token'],
    [web('grant_types: [implicit]'), '6: clients[0].grant_types[0]: expected'],
    [web('grant_types: [refresh_token]'), '6: clients[0].grant_types: refresh_token needs authorization_code'],
    [web('response_types: [id_token]'), '6: clients[0].response_types[0]: expected code'],
    [web('response_types: []'), '6: clients[0].response_types: must be [code]'],
    [client(PUBLIC, 'grant_types: [client_credentials]'), '5: clients[0].grant_types: client_credentials needs'],
    [web('id_token_signed_response_alg: none'), '6: clients[0].id_token_signed_response_alg: expected RS256 or ES256'],
    [web('id_token_signed_response_alg: HS256'), '6: clients[0].id_token_signed_response_alg: expected RS256 or ES256'],
    [web('require: phrh'), '6: clients[0].require: expected pwd or 2sv or mfa or phr'],
    [web('default_acr_values: [gold]'), '6: clients[0].default_acr_values[0]: is not an acr value'],
    [web('default_max_age: -1'), '6: clients[0].default_max_age: must be a whole number'],
    [web('scope: "openid  email"'), '6: clients[0].scope: must be scopes'],
    [web('token_endpoint_auth_method: client_secret_jwt'), '6: clients[0].token_endpoint_auth_method: expected'],
    [
      client('token_endpoint_auth_method: private_key_jwt', 'redirect_uris: [https://a.test/]'),
      '3: clients[0].jwks: jwks or jwks_uri is required',
    ],
    [
      client('token_endpoint_auth_method: private_key_jwt', 'jwks: { keys: [{ kty: EC, d: AAAA }] }'),
      '5: clients[0].jwks.keys[0]: holds a private key',
    ],
    [web('token_endpoint_auth_signing_alg: ES256'), '6: clients[0].token_endpoint_auth_signing_alg: is for'],
    [web('initiate_login_uri: http://app.example.com/login'), '6: clients[0].initiate_login_uri: must be https'],
    [web('logo_uri: http://app.example.com/logo.png'), '6: clients[0].logo_uri: must be https'],
    [web('client_uri: "javascript:alert(1)"'), '6: clients[0].client_uri: must be https'],
    [web('policy_uri: //app.example.com/'), '6: clients[0].policy_uri: must be https'],
    [web('allowOrigins: ["*"]'), '6: clients[0].allowOrigins[0]: must be an origin'],
    [web('allowOrigins: [https://app.example.com/]'), '6: clients[0].allowOrigins[0]: must be an origin'],
    [
      web('backchannel_logout_uri: http://app.example.com/logout'),
      '6: clients[0].backchannel_logout_uri: must be https',
    ],
    [web('backchannel_logout_uri: https://10.0.0.5/logout'), '6: clients[0].backchannel_logout_uri: is an internal'],
    [web('backchannel_logout_uri: https://[::ffff:7f00:1]/'), '6: clients[0].backchannel_logout_uri: is an internal'],
    [web('jwks_uri: file:///etc/passwd'), '6: clients[0].jwks_uri: must be an https address'],
  ],
  'redirect URIs that lead elsewhere (OA-1, WE-8)': [
    ...(
      [
        ['http://app.example.com/cb', 'must be https'],
        ['https://app.example.com/cb#x', 'must have no fragment'],
        ['https://app.example.com/cb#', 'must have no fragment'],
        ['https://*.example.com/cb', 'must have no wildcard'],
        ['https://app.example.com/*', 'must have no wildcard'],
        ['https://app.example.com@evil.example.net/', 'must have no user name'],
        ['/cb', 'must be an absolute address'],
        ['//app.example.com/cb', 'must be an absolute address'],
        ['https:\\\\app.example.com', 'must be an absolute address'],
        ['https://app.example.com/a b', 'must be an absolute address'],
        ['com.example.app:/cb', 'must be https: other schemes'],
        ['javascript:alert(1)', 'must be https: other schemes'],
      ] as const
    ).map(([uri, reason]): Refused => {
      const yaml = client(`client_secret: ${SECRET}`, `redirect_uris: ['${uri}']`)
      return [yaml, `5: clients[0].redirect_uris[0]: ${reason}`]
    }),
    [
      client(
        PUBLIC,
        'application_type: native',
        'redirect_uris:',
        "  - 'com.example.app:/cb'",
        "  - 'javascript:alert(1)'",
      ),
      '8: clients[0].redirect_uris[1]: must not use this scheme',
    ],
    [
      client(PUBLIC, 'application_type: native', "redirect_uris: ['http://app.example.com/cb']"),
      '6: clients[0].redirect_uris[0]: must be https: http is for loopback only',
    ],
    [
      web("post_logout_redirect_uris: ['http://app.example.com/']"),
      '6: clients[0].post_logout_redirect_uris[0]: must be https',
    ],
  ],
  insertions: [
    // biome-ignore-start lint/suspicious/noTemplateCurlyInString: insertions of the file
    ['issuer: ${env:NOWHERE}\n', '1: issuer: the environment variable NOWHERE is not set'],
    ['issuer: ${env:EMPTY}\n', '1: issuer: the environment variable EMPTY is not set'],
    ['issuer: ${env:toString}\n', '1: issuer: the environment variable toString is not set'],
    ['issuer: ${ENV}\n', '1: issuer: has an unknown insertion'],
    ['issuer: "${env:SECRET"\n', '1: issuer: has an unknown insertion'],
    [`${ISSUER}secretKey: \${file:nowhere}\n`, '2: secretKey: the file nowhere cannot be read (ENOENT)'],
    [`${ISSUER}secretKey: \${file:.}\n`, '2: secretKey: the file . '],
    [`${ISSUER}secretKey: \${file:open}\n`, '2: secretKey: the file open can be read by others'],
    [`${ISSUER}secretKey: \${file:empty}\n`, '2: secretKey: the file empty is empty'],
    [`${ISSUER}secretKey: \${env:SECRET}\n`, '2: secretKey: must be 32 random bytes'],
    ['issuer: https://${env:EVIL}.example.com\n', '1: issuer: must be an address such as'],
    [web('contacts:', '  - a@x.test', '  - ${env:NOWHERE}'), '8: clients[0].contacts[1]: the environment variable'],
    // biome-ignore-end lint/suspicious/noTemplateCurlyInString: insertions of the file
  ],
}

describe('a configuration that cannot work at night is refused at start, with file, line and key', () => {
  let folder = ''
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'stepgate-config-'))
    writeFileSync(join(folder, 'open'), KEY, { mode: 0o640 })
    writeFileSync(join(folder, 'empty'), '\n', { mode: 0o600 })
  })
  after(() => rmSync(folder, { recursive: true }))

  function refusal(yaml: string): ConfigFileError {
    const file = join(folder, 'stepgate.yaml')
    writeFileSync(file, yaml)
    try {
      loadConfig(file, { blocks, env })
    } catch (error) {
      assert.ok(error instanceof ConfigFileError, `${error}`)
      return error
    }
    assert.fail('it was accepted')
  }

  for (const [title, table] of Object.entries(TABLES)) {
    describe(title, () => {
      for (const [index, [yaml, message]] of table.entries()) {
        it(`${index + 1}: ${message}`, () => {
          const error = refusal(yaml)
          const expected = `${join(folder, 'stepgate.yaml')}:${message}`
          assert.equal(error.message.slice(0, expected.length), expected)
          assert.ok(!error.message.includes('\n'), 'one line')
        })
      }
    })
  }

  it('no message of any of them repeats a secret', () => {
    const secrets = [SECRET, KEY, env.SAMPLE, env.EVIL, 'change-me@', 'pass@id', 'evil.example']
    for (const [yaml] of Object.values(TABLES).flat()) {
      for (const { message } of refusal(yaml).all) {
        for (const secret of secrets) assert.ok(!message.includes(secret), message)
      }
    }
  })

  it('names all that is wrong, in the order of the file', () => {
    const { all } = refusal('listen: { port: x }\nissuer: https://id.example.com\nmfa: { rememberDays: 100 }\nfoo: 1\n')
    assert.deepEqual(
      all.map(({ key, line }) => [key, line]),
      [
        ['listen.port', 1],
        ['mfa.rememberDays', 3],
        ['foo', 4],
      ],
    )
  })

  it('a broken line does not print what stands in it', () => {
    const error = refusal(`${ISSUER}mail: { smtp: "smtps://u:hunter2-very-secret@m\n`)
    assert.ok(!error.message.includes('hunter2'))
  })

  it('a file that is not there is a configuration error', () => {
    const file = join(folder, 'nowhere.yaml')
    assert.throws(() => loadConfig(file, { blocks }), {
      message: `${file}:1: config: the file cannot be read (ENOENT)`,
    })
  })
})
