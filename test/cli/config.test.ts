import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { parse } from 'yaml'
import { assertFailed } from './assertions.ts'
import { type CommandLine, createCommandLine } from './command-line.ts'

const SECRET = 'Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4MTIzNDU2Nzg'

describe('stepgate config', () => {
  let cli: CommandLine
  before(() => {
    cli = createCommandLine(`issuer: http://127.0.0.1:3000
stores: { state: "redis://:hunter2hunter2@127.0.0.1:6379/0" }
mfa: { enabled: true, methods: [totp] }
clients: [{ client_id: erp, client_secret: ${SECRET}, redirect_uris: ["https://erp.example.com/cb"] }]
`)
  })
  after(() => cli.remove())

  it('schema prints a JSON Schema, with or without --json and without any file', async () => {
    const schema = await cli.run(['config', 'schema', '--config', 'missing.yaml'])
    assert.equal(schema.status, 0, schema.stderr)
    const { properties, required } = schema.json as { properties: object; required: string[] }
    assert.ok('issuer' in properties && 'mfa' in properties)
    assert.deepEqual(required, ['issuer'])
  })

  it('print shows the defaults too, and no secret in any form', async () => {
    const [yaml, json] = await Promise.all([cli.run(['config', 'print']), cli.run(['config', 'print', '--json'])])
    assert.deepEqual([yaml.status, json.status], [0, 0], yaml.stderr)
    const shown = json.json as { mfa: { rememberDays: number }; clients: { client_secret: string }[] }
    assert.equal(shown.mfa.rememberDays, 30)
    assert.equal((parse(yaml.stdout) as typeof shown).mfa.rememberDays, 30)
    for (const secret of [SECRET, 'hunter2hunter2']) assert.ok(!`${yaml.stdout}${json.stdout}`.includes(secret))
  })

  it('STEPGATE_CONFIG names the file when --config does not', async () => {
    const other = createCommandLine('issuer: http://127.0.0.1:4444\nmfa: { enabled: true, methods: [totp] }\n')
    try {
      const env = { STEPGATE_CONFIG: other.file }
      const [byFlag, byVariable] = await Promise.all([
        cli.run(['config', 'print', '--json'], { env }),
        cli.run(['config', 'print', '--json'], { env, anyConfig: true }),
      ])
      const issuers = [byFlag, byVariable].map(({ json }) => (json as { issuer: string }).issuer)
      assert.deepEqual(issuers, ['http://127.0.0.1:3000', 'http://127.0.0.1:4444'])
    } finally {
      other.remove()
    }
  })

  it('a broken file is wrong configuration: FILE:LINE: KEY: reason, for every command', async () => {
    const broken = createCommandLine(
      'issuer: http://127.0.0.1:3000\nmfa: { enabled: true, methods: [totp] }\nsesions: {}\n',
    )
    try {
      for (const given of [
        ['config', 'print'],
        ['check'],
        ['user', 'list'],
        ['keys', 'list'],
        ['serve'],
        ['client', 'list'],
      ]) {
        const outcome = await broken.run(given)
        assertFailed(outcome, 2, /^\S+stepgate\.yaml:3: sesions: /)
        assert.ok(outcome.stderr.startsWith(broken.file), outcome.stderr)
      }
    } finally {
      broken.remove()
    }
  })

  it('a missing file is wrong configuration too', async () => {
    assertFailed(await cli.run(['--config', 'missing.yaml', 'user', 'list']), 2, /^missing\.yaml:1: config: /)
  })
})

describe('stepgate', () => {
  it('answers wrong usage with status 2 and one line, and help with 0', async () => {
    const cli = createCommandLine()
    try {
      assertFailed(await cli.run(['nonsense']), 2, /^stepgate: unknown command 'nonsense'/)
      assertFailed(await cli.run(['user', 'list', '--nonsense']), 2, /unknown option '--nonsense'/)
      assertFailed(await cli.run(['user', 'show']), 2, /missing required argument 'name'/)
      const help = await cli.run(['--help'])
      assert.equal(help.status, 0)
      assert.match(help.stdout, /serve/)
      assert.match((await cli.run(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/)
    } finally {
      cli.remove()
    }
  })

  it('hash-password turns the password on standard input into an argon2id PHC string, another one each time', async () => {
    const cli = createCommandLine()
    try {
      const hash = () => cli.run(['hash-password'], { input: 'a long enough password\n' })
      const [first, second] = await Promise.all([hash(), hash()])
      assert.match(first.stdout, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}\n$/)
      assert.notEqual(first.stdout, second.stdout)
      assertFailed(await cli.run(['hash-password']), 2, /standard input: is empty/)
      const refused = async (input: string) =>
        assertFailed(await cli.run(['hash-password'], { input }), 1, /is refused: it/)
      await refused('1234567\n')
      await refused(`${'long'.repeat(65)}\n`)
    } finally {
      cli.remove()
    }
  })
})
