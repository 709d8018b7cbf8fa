import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { type Installation, openInstallation } from '../../src/app/installation.ts'
import type { AuditRecord } from '../../src/audit/audit.ts'
import { undescribed } from '../../src/audit/events.ts'
import { readConfig } from '../../src/cli/configuration.ts'
import { DAY } from '../../src/kernel/clock.ts'
import { silentLog } from '../../src/kernel/log.ts'
import { createSortableIds } from '../../src/kernel/sortable-id.ts'
import { assertFailed } from './assertions.ts'
import { type CommandLine, createCommandLine } from './command-line.ts'

type Line = Record<'time' | 'event' | 'outcome', string> & Record<string, unknown>
const linesOf = (text: string): Line[] =>
  text
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)

describe('stepgate audit', () => {
  let cli: CommandLine
  let installation: Installation
  let nextId: () => string
  let anna: string
  before(async () => {
    cli = createCommandLine()
    installation = await openInstallation(readConfig(cli.file), { log: silentLog })
    nextId = createSortableIds(installation.clock)
    const created = { event: 'user.created', outcome: 'ok' } as const
    anna = (await installation.accounts.insert({ username: 'anna' }, created)).id
    const gone = await installation.accounts.insert({ username: 'gone' }, created)
    await installation.accounts.remove(gone.id, {
      event: 'user.deleted',
      outcome: 'ok',
      account: gone.id,
      details: { username: 'gone' },
    })
    const details = { reason: 'red \u001b[31m\u202eman', methods: ['password', 'totp'] }
    const parties = { account: anna, client: 'app', ip: '192.0.2.7', interaction: 'abc' }
    await append({ event: 'login.fail', outcome: 'fail', ...parties, details })
    await append({ event: 'login.ok', time: installation.clock.now() - 40 * DAY })
  })
  after(async () => {
    await installation?.close()
    cli?.remove()
  })

  async function append(given: Partial<AuditRecord>): Promise<void> {
    const time = installation.clock.now()
    await installation.audit.append([{ event: 'login.ok', outcome: 'ok', id: nextId(), time, ...given }])
  }

  it('--json prints one object per line with the fields of the contract, newest last', async () => {
    const { stdout, status } = await cli.run(['audit', '--json', '--user', 'ANNA'])
    assert.equal(status, 0)
    const lines = linesOf(stdout)
    assert.deepEqual(
      lines.map(({ event }) => event),
      ['user.created', 'login.fail'],
    )
    const { time, ...rest } = lines[1] as Line
    assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    assert.deepEqual(rest, {
      event: 'login.fail',
      outcome: 'fail',
      account: anna,
      client: 'app',
      ip: '192.0.2.7',
      interaction: 'abc',
      details: { reason: 'red \u001b[31m\u202eman', methods: ['password', 'totp'] },
    })
  })

  it('control characters never reach the terminal, in either form (IN-5)', async () => {
    for (const form of [[], ['--json']]) {
      const { stdout } = await cli.run(['audit', ...form])
      assert.match(stdout, /login\.fail/)
      assert.ok(!stdout.includes('\u001b') && !stdout.includes('\u202e'))
    }
    const { stdout } = await cli.run(['audit', '--user', 'anna'])
    assert.match(stdout, /^TIME +EVENT +OUTCOME +USER +CLIENT +ADDRESS +DETAILS\n/)
    assert.match(stdout, /Z +login\.fail +fail +anna +app +192\.0\.2\.7 +reason=red \[31mman methods=password,totp\n/)
  })

  it('--user finds a removed account by its id; nobody is one line', async () => {
    const all = linesOf((await cli.run(['audit', '--json'])).stdout)
    const removed = all.find(({ event }) => event === 'user.deleted')
    const { stdout } = await cli.run(['audit', '--json', '--user', `${removed?.account}`])
    assert.deepEqual(
      linesOf(stdout).map(({ event }) => event),
      ['user.created', 'user.deleted'],
    )
    assertFailed(await cli.run(['audit', '--user', 'nobody']), 1, /user "nobody" does not exist/)
  })

  it('--since takes a duration or a date, and nothing else', async () => {
    const count = async (...given: string[]) => linesOf((await cli.run(['audit', '--json', ...given])).stdout).length
    const all = await count()
    assert.equal(await count('--since', '30d'), all - 1)
    assert.equal(await count('--since', '50d'), all)
    assert.equal(await count('--since', new Date(installation.clock.now() - DAY).toISOString()), all - 1)
    assert.equal(await count('--since', '2999-01-01'), 0)
    assertFailed(await cli.run(['audit', '--since', 'yesterday']), 2, /^stepgate: --since: expected a duration/)
  })

  it('--follow shows what comes later, also what was named earlier, each once, until a signal ends it with status 0', async () => {
    const child = cli.start(['audit', '--follow', '--json'])
    let text = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk
    })
    const until = async (seen: RegExp): Promise<void> => {
      for (let tries = 0; tries < 300 && !seen.test(text); tries += 1) await pause(50)
      assert.match(text, seen)
    }
    await until(/login\.fail/)
    const early = nextId()
    await append({ event: 'otp.ok' })
    await until(/otp\.ok/)
    await append({ event: 'otp.replay', id: early, time: installation.clock.now() - 1000 })
    await until(/otp\.replay/)
    child.kill('SIGTERM')
    const [status] = await once(child, 'close')
    assert.equal(status, 0)
    const events = linesOf(text).map(({ event }) => event)
    assert.equal(new Set(events.filter((event) => event !== 'user.created')).size, events.length - 2)
  })

  it('commands write what the reference page describes', async () => {
    await cli.run(['user', 'add', 'erik'])
    await cli.run(['user', 'edit', 'erik', '--name', 'Erik'])
    await cli.run(['user', 'disable', 'erik'])
    await cli.run(['mfa', 'reset', 'erik', '--reason', 'r'])
    await cli.run(['user', 'remove', 'erik'])
    const records = (await installation.audit.list({})).filter(({ details }) => details?.by === 'cli')
    assert.ok(records.length >= 5)
    assert.deepEqual(undescribed(records), [])
  })
})
