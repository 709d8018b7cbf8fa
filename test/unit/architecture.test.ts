import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  adaptersKnownToOthers,
  adaptersThatKnowMore,
  auditsThatKnowMails,
  barrels,
  cycles,
  deedsThatSpeak,
  filesOfInteractionsThatKnowTheEngine,
  guessable,
  homeless,
  type Import,
  importsOf,
  importsOfKinds,
  type Kind,
  kindsIn,
  namesOfKinds,
  namesOfLevels,
  packagesOutOfPlace,
  readSources,
  type Source,
  strangersThatMet,
  upwardImports,
  withoutComments,
} from './architecture.ts'

const sources = readSources()
const imports = sources.flatMap(importsOf)
const kinds = kindsIn(sources)
/** Also the name of a claim, a scope and a column; of a part of the account page. */
const ORDINARY = new Set(['email', 'recovery'])

const edge = (from: string, to: string): Import => ({ from, to })
const file = (path: string, text: string): Source => ({ path, text })
const TOTP: Kind = { type: 'totp', folder: 'src/mfa/factors/totp/' }
const EMAIL: Kind = { type: 'email', folder: 'src/mfa/factors/email-otp/' }

describe('the house stands as it was drawn', () => {
  it('imports point down', () => {
    assert.deepEqual(upwardImports([edge('src/mfa/factors/verifier.ts', 'src/provider/prompts.ts')]), [
      'src/mfa/factors/verifier.ts imports src/provider/prompts.ts',
    ])
    assert.equal(upwardImports([edge('src/config/reading/load.ts', 'src/state/store.ts')]).length, 1)
    assert.equal(upwardImports([edge('src/mfa/assurance/levels.ts', 'src/config/config.ts')]).length, 1)
    assert.equal(upwardImports([edge('src/config/config.ts', 'src/mfa/assurance/acr.ts')]).length, 1)
    assert.equal(upwardImports([edge('src/app/gateway.ts', 'src/cli/serve.ts')]).length, 1)
    assert.deepEqual(upwardImports([edge('src/mail/rendered-mail.ts', 'src/views/texts.ts')]), [])
    assert.deepEqual(upwardImports(imports), [])
  })

  it('every file stands on a floor', () => {
    assert.deepEqual(homeless([file('src/utils/strings.ts', '')]), ['src/utils/strings.ts'])
    assert.deepEqual(homeless(sources), [])
  })

  it('the provider and the pages do not know each other', () => {
    assert.equal(strangersThatMet([edge('src/provider/index.ts', 'src/web/form.ts')]).length, 1)
    assert.equal(strangersThatMet([edge('src/web/form.ts', 'src/provider/keys.ts')]).length, 1)
    assert.equal(strangersThatMet([edge('src/administration/keys/rotate.ts', 'src/provider/keys.ts')]).length, 1)
    assert.equal(strangersThatMet([edge('src/account/factors.ts', 'src/administration/actor.ts')]).length, 1)
    assert.equal(strangersThatMet([edge('src/administration/actor.ts', 'src/web/form.ts')]).length, 1)
    assert.deepEqual(strangersThatMet(imports), [])
  })

  it('what administrators do knows no command line and prints nothing', () => {
    const command = [
      edge('src/administration/actor.ts', 'src/cli/output.ts'),
      edge('src/administration/actor.ts', 'src/app/installation.ts'),
    ]
    assert.equal(upwardImports(command).length, 2)
    assert.equal(packagesOutOfPlace([edge('src/administration/actor.ts', 'commander')]).length, 1)
    for (const text of ['process.exitCode = 1', 'console.log(1)', "import { stdout } from 'node:process'"]) {
      assert.equal(deedsThatSpeak([file('src/administration/a.ts', text), file('src/cli/a.ts', text)]).length, 1, text)
    }
    assert.deepEqual(deedsThatSpeak(sources), [])
  })

  it('adapters know ports and nothing else, and only the roots know adapters', () => {
    assert.equal(adaptersThatKnowMore([edge('src/sql/accounts.ts', 'src/mfa/policy/policy.ts')]).length, 1)
    assert.equal(adaptersThatKnowMore([edge('src/state/redis.ts', 'src/state/records.ts')]).length, 1)
    assert.equal(adaptersThatKnowMore([edge('src/state/redis.ts', 'src/state/embedded/file.ts')]).length, 1)
    assert.deepEqual(adaptersThatKnowMore([edge('src/sql/keys.ts', 'src/provider/key-store.ts')]), [])
    assert.deepEqual(adaptersThatKnowMore([edge('src/state/redis.ts', 'src/state/redis/client.ts')]), [])
    assert.deepEqual(adaptersThatKnowMore(imports), [])
    assert.equal(adaptersKnownToOthers([edge('src/provider/keys.ts', 'src/sql/keys.ts')]).length, 1)
    assert.equal(
      adaptersKnownToOthers([edge('src/mfa/factors/verification/challenges.ts', 'src/state/redis.ts')]).length,
      1,
    )
    assert.equal(adaptersKnownToOthers([edge('src/sql/keys.ts', 'src/state/redis/client.ts')]).length, 1)
    assert.deepEqual(adaptersKnownToOthers([edge('src/app/installation.ts', 'src/state/redis.ts')]), [])
    assert.deepEqual(adaptersKnownToOthers(imports), [])
  })

  it('mails know the audit, and not the other way round', () => {
    assert.equal(auditsThatKnowMails([edge('src/audit/audit.ts', 'src/mail/mailer.ts')]).length, 1)
    assert.deepEqual(auditsThatKnowMails([edge('src/mail/outbox-runner.ts', 'src/audit/audit.ts')]), [])
    assert.deepEqual(auditsThatKnowMails(imports), [])
  })

  it('there are no cycles', () => {
    const ring = [edge('src/b.ts', 'src/c.ts'), edge('src/c.ts', 'src/a.ts'), edge('src/a.ts', 'src/b.ts')]
    assert.deepEqual(cycles(ring), ['src/a.ts → src/b.ts → src/c.ts → src/a.ts'])
    assert.deepEqual(cycles([...ring.slice(1), edge('src/x.ts', 'src/c.ts')]), [])
    assert.equal(cycles([edge('src/a.ts', 'src/a.ts')]).length, 1)
    assert.deepEqual(cycles(imports), [])
  })

  it('there are no barrels', () => {
    const barrel = file('src/mfa/index.ts', "export { a } from './a.ts'\nexport type { B } from './b.ts'\n")
    assert.deepEqual(barrels([barrel, file('src/x.ts', "export * from './y.ts'\nexport const a = 1\n")]).length, 2)
    assert.deepEqual(barrels([file('src/a.ts', "import type { A } from './b.ts'\nexport const a: A = 1\n")]), [])
    assert.deepEqual(barrels(sources), [])
  })

  it('a package is known in one place', () => {
    const wrong = [
      edge('src/app/gateway.ts', 'ioredis'),
      edge('src/state/embedded.ts', 'ioredis'),
      edge('src/mfa/factors/verifier.ts', 'otplib'),
      edge('src/web/form.ts', 'ejs'),
      edge('src/mfa/factors/email-otp/email-otp.ts', 'nodemailer'),
      edge('src/accounts/account.ts', 'kysely'),
      edge('src/cli/check.ts', 'pg'),
      edge('src/sql/accounts.ts', '@node-rs/argon2'),
      edge('src/mfa/policy/policy.ts', 'oidc-provider'),
    ]
    assert.equal(packagesOutOfPlace(wrong).length, wrong.length)
    assert.deepEqual(packagesOutOfPlace(imports), [])
  })

  it('one file of the pages speaks to the engine', () => {
    const two = [edge('src/interactions/a.ts', 'oidc-provider'), edge('src/interactions/b.ts', 'oidc-provider')]
    assert.equal(filesOfInteractionsThatKnowTheEngine([...two, ...two]).length, 2)
    const files = filesOfInteractionsThatKnowTheEngine(imports)
    assert.ok(files.length <= 1, files.join(', '))
  })

  it('nothing is drawn from Math.random (KM-7)', () => {
    assert.deepEqual(guessable([file('src/a.ts', 'const id = Math.random()')]), ['src/a.ts'])
    assert.deepEqual(guessable(sources), [])
  })
})

describe('what a level is called is known in its table, and to the authenticators that reach it', () => {
  it('nobody else names it', () => {
    const named = (text: string, path = 'src/mfa/policy/policy.ts') => namesOfLevels([file(path, text)]).length
    for (const text of [
      "if (level === 'pwd') return",
      "levels.has('2sv')",
      "const WEIGHT = { pwd: 0, '2sv': 1 }",
      "require: 'mfa'",
      "z.enum(['pwd', 'phr'])",
      "const strongest = 'phrh'",
    ]) {
      assert.equal(named(text), 1, text)
    }
    for (const text of ["amr.add('mfa')", "{ name: 'mfa', requestable: false }", "['mfa', 'methods']"]) {
      assert.equal(named(text), 0, text)
    }
    assert.equal(named("satisfies: ['2sv']", 'src/mfa/assurance/levels.ts'), 0)
    assert.equal(named("LEVELS.closed('mfa')", 'src/mfa/factors/totp/totp.ts'), 0)
    assert.deepEqual(namesOfLevels(sources), [])
  })
})

describe('what an authenticator is called is known in its folder and in the registry', () => {
  it('the types are found where they are declared', () => {
    assert.deepEqual(kindsIn([file('src/mfa/factors/sms/sms.ts', "const TYPE = 'sms'\n")]), [
      { type: 'sms', folder: 'src/mfa/factors/sms/' },
    ])
    const types = kinds.map(({ type }) => type)
    assert.ok(
      ['totp', 'email', 'recovery'].every((type) => types.includes(type)),
      types.join(),
    )
  })

  it('nobody else imports from its folder', () => {
    assert.equal(
      importsOfKinds([edge('src/mfa/factors/verifier.ts', 'src/mfa/factors/totp/totp.ts')], [TOTP]).length,
      1,
    )
    assert.equal(
      importsOfKinds([edge('src/mfa/factors/email-otp/email-otp.ts', 'src/mfa/factors/totp/codes.ts')], [TOTP]).length,
      1,
    )
    assert.deepEqual(importsOfKinds([edge('src/mfa/factors/registry.ts', 'src/mfa/factors/totp/totp.ts')], [TOTP]), [])
    assert.deepEqual(importsOfKinds(imports, kinds), [])
  })

  it('nobody else names it', () => {
    const named = (text: string, path = 'src/mfa/factors/verifier.ts') =>
      namesOfKinds([file(path, text)], [TOTP, EMAIL], ORDINARY).length
    for (const text of [
      "if (type === 'totp') return",
      'render(`totp/bind`)',
      "render('totp/bind')",
      'const names = { totp: 1 }',
      'return config.mfa.blocks.totp',
      "if (type === 'email') return",
      "const method = 'email'",
      "binding.type !== 'email'",
      "bindings.filter(({ type }) => ['email'].includes(type))",
      "case 'email':",
      "proofs.push({ method: 'email', at })",
    ]) {
      assert.equal(named(text), 1, text)
    }
    for (const text of [
      "const SCOPES = ['openid', 'profile', 'email']",
      "where('email', 'is', null)",
      "if (guard === 'email') return",
      'account.email',
      'const totpBlock = 1',
    ]) {
      assert.equal(named(text), 0, text)
    }
    assert.equal(named("const TYPE = 'totp'", 'src/mfa/factors/totp/totp.ts'), 0)
    assert.deepEqual(namesOfKinds(sources, kinds, ORDINARY), [])
  })
})

describe('the reader of imports', () => {
  it('finds every form of them, and nothing in comments', () => {
    const text = withoutComments(
      [
        "import a, { type B } from './a.ts'",
        "import type { C } from '../c.ts'",
        "import './side-effect.ts'",
        'import {\n  d,\n} from "node:fs"',
        "export { e } from '@scope/name/deep'",
        "const f = await import('./f.ts')",
        "// import x from './x.ts'",
        "/* import y from './y.ts' */",
        "const url = 'https://example.com' // 'totp'",
      ].join('\n'),
    )
    assert.deepEqual(
      importsOf(file('src/x/y.ts', text)).map(({ to }) => to),
      ['src/x/a.ts', 'src/c.ts', 'src/x/side-effect.ts', 'node:fs', '@scope/name', 'src/x/f.ts'],
    )
    assert.ok(text.includes('https://example.com') && !text.includes('totp'))
  })

  it('sees the whole source', () => {
    assert.ok(sources.length > 50 && imports.length > 200)
  })
})
