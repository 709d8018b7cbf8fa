import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { needs } from '../harness/needs.ts'
import { freePort, startRedis } from '../harness/services.ts'
import { startTimeServer } from '../harness/time-server.ts'
import { assertFailed } from './assertions.ts'
import { type CommandLine, createCommandLine } from './command-line.ts'

interface Finding {
  check: string
  status: string
  detail: string
}

describe('stepgate check', () => {
  const opened: CommandLine[] = []
  after(() => {
    for (const cli of opened) cli.remove()
  })
  const withConfig = (yaml: string): CommandLine => {
    const cli = createCommandLine(yaml)
    opened.push(cli)
    return cli
  }
  const findings = async (cli: CommandLine): Promise<{ status: number | null; by: Map<string, Finding> }> => {
    const { status, json } = await cli.run(['check', '--json'])
    return { status, by: new Map((json as Finding[]).map((finding) => [finding.check, finding])) }
  }

  it('says one line for each part, the word first, and ends well where all is well', async () => {
    const cli = withConfig(
      'issuer: http://127.0.0.1:3000\nmfa: { enabled: true, methods: [totp] }\nclock: { check: off }\n',
    )
    const { status, stdout } = await cli.run(['check'])
    assert.equal(status, 0)
    const lines = stdout.trimEnd().split('\n')
    assert.equal(lines.length, 9)
    for (const line of lines) assert.match(line, /^(?:ok|skip) +\S/)
    const keys = await cli.run(['keys', 'list', '--json'])
    assert.deepEqual([keys.status, Array.isArray(keys.json)], [0, true])
  })

  it('a mail server that does not answer fails, the others are checked all the same', async () => {
    const cli = withConfig(`issuer: http://127.0.0.1:3000
mfa: { enabled: true, methods: [totp] }
mail: { smtp: "smtp://127.0.0.1:${await freePort()}", from: id@example.com }
`)
    const { status, by } = await findings(cli)
    assert.equal(status, 1)
    assert.equal(by.get('mail server')?.status, 'fail')
    assert.equal(by.get('state store')?.status, 'ok')
  })

  it('lists who cannot sign in for want of an address where only mail is allowed (C6)', async () => {
    const smtp = `mail: { smtp: "smtp://127.0.0.1:${await freePort()}", from: id@example.com }`
    const cli = withConfig(`issuer: http://127.0.0.1:3000\nmfa: { enabled: true, methods: [email] }\n${smtp}\n`)
    await cli.run(['user', 'add', 'erik'])
    await cli.run(['user', 'add', 'anna', '--email', 'anna@example.test'])
    const only = (await findings(cli)).by.get('addresses')
    assert.deepEqual([only?.status, only?.detail], ['fail', 'cannot sign in without one: erik'])
    cli.configure(`issuer: http://127.0.0.1:3000\nmfa: { enabled: true, methods: [email, totp] }\n${smtp}\n`)
    assert.equal((await findings(cli)).by.get('addresses')?.status, 'ok')
  })

  it('D7: a clock that the time servers contradict is a warning, or a failure where the file says so', async () => {
    const server = await startTimeServer({ ahead: 60_000 })
    const yaml = (check: string): string =>
      `issuer: http://127.0.0.1:3000\nmfa: { enabled: true }\nclock: { check: ${check}, servers: ["${server.address}"] }\n`
    try {
      const cli = withConfig(yaml('warn'))
      const warned = await findings(cli)
      assert.deepEqual([warned.status, warned.by.get('clock')?.status], [0, 'warn'])
      assert.match(warned.by.get('clock')?.detail ?? '', /^(?:59|60)\.\d+ s behind$/)
      cli.configure(yaml('fail'))
      const failed = await findings(cli)
      assert.deepEqual([failed.status, failed.by.get('clock')?.status], [1, 'fail'])
    } finally {
      server.close()
    }
  })

  it('A10: says who answered, that nobody did, and how MFA is turned on where it was never answered', async () => {
    const cli = withConfig('issuer: http://127.0.0.1:3000\n')
    const answer = async () => (await findings(cli)).by.get('second factor')
    assert.equal((await answer())?.status, 'skip')
    await cli.run(['user', 'add', 'anna', '--email', 'anna@example.test'])
    assert.equal((await answer())?.status, 'warn')
    assert.match((await answer())?.detail ?? '', /mfa\.enabled: true/)
    cli.configure('issuer: http://127.0.0.1:3000\nmfa: { enabled: true }\n')
    assert.deepEqual([(await answer())?.status, (await answer())?.detail], ['ok', 'required (the configuration file)'])
    await cli.run(['user', 'add', 'bo', '--email', 'bo@example.test'])
    cli.configure('issuer: http://127.0.0.1:3000\n')
    assert.equal((await answer())?.detail, 'required (the answer given at set-up)')
  })

  it('a Redis that does not answer is a failed check, and a failed command in one line', async () => {
    const cli = withConfig(`issuer: http://127.0.0.1:3000
mfa: { enabled: true, methods: [totp] }
stores: { state: "redis://127.0.0.1:${await freePort()}" }
`)
    const { status, by } = await findings(cli)
    assert.equal(status, 1)
    assert.equal(by.get('state store')?.status, 'fail')
    assertFailed(
      await cli.run(['user', 'add', 'anna', '--email', 'a@example.test']),
      1,
      /^stepgate: redis is unavailable/,
    )
  })

  it('an accounts database that does not answer is a failed check and a failed command', async () => {
    const cli = withConfig(`issuer: http://127.0.0.1:3000
secretKey: ${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64')}
mfa: { enabled: true, methods: [totp] }
stores: { accounts: "postgres://stepgate@127.0.0.1:${await freePort()}/stepgate" }
`)
    const { status, by } = await findings(cli)
    assert.equal(status, 1)
    assert.equal(by.get('account store')?.status, 'fail')
    assertFailed(await cli.run(['user', 'list']), 1, /^stepgate: postgres is unavailable/)
  })

  it('a Redis that may evict is refused (FA-2)', { skip: needs('redis-server') }, async () => {
    const redis = await startRedis({ arguments: ['--maxmemory-policy', 'allkeys-lru'] })
    try {
      const cli = withConfig(`issuer: http://127.0.0.1:3000
mfa: { enabled: true, methods: [totp] }
stores: { state: "${redis.url}" }
`)
      const policy = async () => (await findings(cli)).by.get('state store')
      assert.equal((await policy())?.status, 'fail')
      assert.match((await policy())?.detail ?? '', /allkeys-lru/)
      await redis.command('config', 'set', 'maxmemory-policy', 'noeviction')
      assert.equal((await policy())?.status, 'ok')
    } finally {
      await redis.stop()
    }
  })
})
