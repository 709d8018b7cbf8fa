import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { type Ask, askWishes } from '../../src/cli/init/questions.ts'
import { assertFailed } from './assertions.ts'
import { BIN, type CommandLine, createCommandLine, type Outcome } from './command-line.ts'

const ISSUER = 'http://127.0.0.1:4123'
const KEEP = ['--yes', '--issuer', ISSUER, '--mfa', 'keep', '--understood'] as const
const ADMIN = ['--admin', 'root', '--email', 'root@example.test'] as const

describe('stepgate init', () => {
  const opened: CommandLine[] = []
  after(() => {
    for (const cli of opened) cli.remove()
  })
  /** A folder without a configuration. */
  const empty = (): {
    cli: CommandLine
    file: string
    init(given: readonly string[], input?: string): Promise<Outcome>
  } => {
    const cli = createCommandLine()
    opened.push(cli)
    const file = join(cli.folder, 'new.yaml')
    const init = (given: readonly string[], input = ''): Promise<Outcome> =>
      cli.run(['--config', file, 'init', ...given], { anyConfig: true, input })
    return { cli, file, init }
  }
  const other = (cli: CommandLine, file: string, given: readonly string[]): Promise<Outcome> =>
    cli.run(['--config', file, ...given], { anyConfig: true })

  it('A5: flags write the file, answer the question and make the administrator, who gets a link', async () => {
    const { cli, file, init } = empty()
    const { status, stdout, json } = await init([...KEEP, ...ADMIN, '--remember-days', '7', '--json'])
    assert.equal(status, 0, stdout)
    const result = json as { admin: { username: string; activation: string; admin: boolean } }
    assert.deepEqual([result.admin.username, result.admin.admin], ['root', true])
    assert.match(result.admin.activation, new RegExp(`^${ISSUER}/activate/[\\w-]{43}$`))
    assert.equal(statSync(file).mode & 0o077, 0)
    const printed = (await other(cli, file, ['config', 'print', '--json'])).json as { mfa: Record<string, unknown> }
    assert.deepEqual([printed.mfa.enabled, printed.mfa.methods, printed.mfa.rememberDays], [true, 'auto', 7])
    const checked = (await other(cli, file, ['check', '--json'])).json as { check: string; detail: string }[]
    assert.match(checked.find(({ check }) => check === 'second factor')?.detail ?? '', /^required/)
  })

  it('a second run says one line and changes nothing, also when the file is gone', async () => {
    const { cli, file, init } = empty()
    assert.equal((await init(KEEP)).status, 0)
    assertFailed(await init(KEEP), 1, /new\.yaml exists already and stays as it is \(--config names another\)\n$/)
    const elsewhere = await other(cli, join(cli.folder, 'another.yaml'), ['init', ...KEEP])
    assertFailed(elsewhere, 1, /^stepgate: the installation in .*data is set up already\n$/)
    assert.equal(existsSync(join(cli.folder, 'another.yaml')), false)
    assert.equal(existsSync(file), true)
  })

  it('A3, A5: an opt-out without both confirmations, and every other mistake, names the flag and writes nothing', async () => {
    const { file, init } = empty()
    const off = ['--yes', '--issuer', ISSUER, '--mfa', 'off']
    const mistakes: [readonly string[], RegExp][] = [
      [off, /^stepgate: --understood: /],
      [[...off, '--understood'], /^stepgate: --disable-mfa: /],
      [[...off, '--disable-mfa'], /^stepgate: --understood: /],
      [['--yes', '--issuer', ISSUER, '--mfa', 'keep'], /^stepgate: --understood: /],
      [['--yes', '--mfa', 'keep', '--understood'], /^stepgate: --issuer: /],
      [[...KEEP, '--methods', 'email'], /^stepgate: --methods: email needs mail\.smtp/],
      [[...KEEP, '--methods', 'pigeon'], /^stepgate: --methods: /],
      [[...KEEP, '--remember-days', '91'], /^stepgate: --remember-days: /],
      [[...KEEP, '--admin', 'root'], /^stepgate: --email: /],
      [[...KEEP, ...ADMIN.slice(0, 3), 'no address'], /^stepgate: --email: /],
      [[], /^stepgate: --yes: /],
    ]
    const outcomes = await Promise.all(mistakes.map(([given]) => init(given)))
    for (const [index, [, says]] of mistakes.entries()) assertFailed(outcomes[index] as Outcome, 2, says)
    assert.equal(existsSync(file), false)
  })

  it('PW-13, KM-4: a password comes on standard input alone, and a bad one leaves nothing behind', async () => {
    const { cli, file, init } = empty()
    const flags = [...KEEP, ...ADMIN, '--password-stdin']
    assertFailed(await init(flags, 'password123\n'), 1, /^stepgate: the password is refused/)
    assert.equal(existsSync(file), false)
    const { status, stdout } = await init(flags, 'violet anchors drift 7\n')
    assert.deepEqual([status, stdout.includes('/activate/')], [0, false])
    const shown = (await other(cli, file, ['user', 'show', 'root', '--json'])).json as { admin: boolean }
    assert.equal(shown.admin, true)
  })

  it('the questions: what cannot be is asked again, and each answer needs its confirmations', async () => {
    const typed = ['ftp://x', ISSUER, 'off', 'yes', 'no', 'maybe', 'keep', 'no', 'off', 'yes', 'yes']
    const rest = ['email', 'totp', '91', '', 'root', 'nobody', 'root@example.test']
    const client = ['nocobase', 'pigeon', 'nocobase', 'nowhere', 'https://app.example.com/callback']
    const answers = [...typed, ...rest, ...client]
    const ask: Ask = async (question) => answers.shift() ?? assert.fail(`nothing left for ${question}`)
    const wishes = await askWishes({}, ask)
    assert.deepEqual(answers, [])
    const { client: entry, ...others } = wishes
    assert.deepEqual(others, {
      issuer: ISSUER,
      mfa: 'off',
      methods: ['totp'],
      rememberDays: 30,
      admin: { username: 'root', email: 'root@example.test' },
    })
    assert.deepEqual([entry?.client_id, entry?.pkce], ['nocobase', 'optional'])
  })

  it('A3: MFA goes off after both confirmations alone; without the first, the second is not even asked for', async () => {
    const left = ['', 'off', 'no', 'keep', 'no', 'off', 'yes', 'no', 'off', 'yes', 'yes', '', '', '', '']
    const asked: string[] = []
    const ask: Ask = async (question) => {
      asked.push(question)
      return left.shift() ?? assert.fail(`nothing left for ${question}`)
    }
    assert.equal((await askWishes({}, ask)).mfa, 'off')
    assert.deepEqual(left, [])
    const decision = 'Multi-factor authentication (MFA): keep or off? '
    const understood = 'I understand that MFA is the recommended default (yes/no): '
    const turnOff = 'Turn MFA off: a password alone lets people in (yes/no): '
    const onByDefault = 'I understand that MFA is on by default (yes/no): '
    assert.deepEqual(asked.slice(1, 11), [
      ...[decision, understood],
      ...[decision, onByDefault],
      ...[decision, understood, turnOff],
      ...[decision, understood, turnOff],
    ])
  })

  it('asks in a terminal, and writes nothing when it is left', { skip: !existsSync('/usr/bin/script') }, async () => {
    const { cli, file } = empty()
    const run = async (answers: readonly string[]): Promise<number | null> => {
      const command = `${process.execPath} ${BIN} --config ${file} init`
      const terminal = spawn('/usr/bin/script', ['-qec', command, '/dev/null'], { cwd: cli.folder })
      const left = [...answers]
      terminal.stdout.on('data', (text: Buffer) => {
        if (!/[:?] $/.test(stripVTControlCharacters(text.toString()))) return
        const next = left.shift()
        terminal.stdin.write(next === undefined ? '\x04' : `${next}\n`)
      })
      return new Promise((resolve) => terminal.on('close', resolve))
    }
    assert.equal(await run([ISSUER, 'keep']), 1)
    assert.equal(existsSync(file), false)
    assert.equal(await run([ISSUER, 'keep', 'yes', '', '', '', '']), 0)
    assert.equal(existsSync(file), true)
  })
})
