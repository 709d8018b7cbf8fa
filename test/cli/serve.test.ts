import assert from 'node:assert/strict'
import { type ChildProcess, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort, startPostgres, startRedis } from '../harness/services.ts'
import { leavesOut } from '../harness/stores.ts'
import { assertFailed } from './assertions.ts'
import { BIN, type CommandLine, createCommandLine, olderNode, outcomeOf } from './command-line.ts'

const ISSUER = 'issuer: http://127.0.0.1:3000\n'
const configOf = (port: number): string => `issuer: http://127.0.0.1:${port}
listen: { port: ${port} }
mfa: { enabled: true, methods: [totp] }
`

describe('stepgate serve', () => {
  const ends: (() => void)[] = []
  afterEach(() => {
    for (const end of ends.splice(0)) end()
  })

  async function serve(
    options: { node?: string } = {},
  ): Promise<{ cli: CommandLine; child: ChildProcess; url: string }> {
    const port = await freePort()
    const cli = createCommandLine(configOf(port))
    const child = cli.start(['serve'], options)
    ends.push(() => {
      child.kill('SIGKILL')
      cli.remove()
    })
    const url = `http://127.0.0.1:${port}`
    await untilReady(url, child)
    return { cli, child, url }
  }

  it('logs its address in one JSON line and serves until SIGTERM, then ends with status 0', async () => {
    const { child, url } = await serve()
    const [ended, discovery] = [outcomeOf(child), await fetch(`${url}/.well-known/openid-configuration`)]
    assert.equal(((await discovery.json()) as { issuer: string }).issuer, url)
    child.kill('SIGTERM')
    const { status, stdout } = await ended
    assert.equal(status, 0)
    const [listening] = linesOf(stdout).filter(({ message }) => message === 'the gateway listens')
    assert.deepEqual([listening?.issuer, listening?.port], [url, Number(new URL(url).port)])
  })

  it('A1, A7: without an answer it prints a token on a line of its own, in no log, and with --json in one object', async () => {
    for (const form of ['text', 'json'] as const) {
      const port = await freePort()
      const cli = createCommandLine(`issuer: http://127.0.0.1:${port}\nlisten: { port: ${port} }\n`)
      const child = cli.start(form === 'json' ? ['--json', 'serve'] : ['serve'])
      ends.push(() => {
        child.kill('SIGKILL')
        cli.remove()
      })
      const url = `http://127.0.0.1:${port}`
      await untilReady(url, child)
      const ended = outcomeOf(child)
      assert.equal((await fetch(`${url}/auth`)).status, 503)
      assert.equal(await (await fetch(url)).text().then((text) => text.includes('name="token"')), true)
      child.kill('SIGTERM')
      const { status, stdout } = await ended
      assert.equal(status, 0)
      const lines = stdout.trimEnd().split('\n')
      const shown = lines.filter((line) => (form === 'json' ? line.startsWith('{"setup"') : line.startsWith('token: ')))
      assert.equal(shown.length, 1, stdout)
      const [line = ''] = shown
      const token = form === 'json' ? (JSON.parse(line) as { token: string }).token : line.slice('token: '.length)
      assert.match(token, /^[\w-]{43}$/)
      if (form === 'json') assert.equal((JSON.parse(line) as { setup: string }).setup, `${url}/setup`)
      assert.equal(lines.filter((other) => other.includes(token)).length, 1, 'the token stands nowhere else')
    }
  })

  it('A5: an opt-out without both confirmations stops the start and names the missing key', async () => {
    const cli = createCommandLine(`${ISSUER}mfa: { enabled: false, optOut: { understood: true } }\n`)
    ends.push(() => cli.remove())
    assertFailed(await cli.run(['serve']), 2, /stepgate\.yaml:2: mfa\.optOut\.disableMfa: must be true/)
  })

  it('lets a request under way finish after SIGTERM, and takes no new one', async () => {
    const { child, url } = await serve()
    const ended = outcomeOf(child)
    const { hostname, port, host } = new URL(url)
    // The head is there, the body is not: the request is under way.
    const body = 'grant_type=client_credentials'
    const socket = connect(Number(port), hostname)
    await once(socket, 'connect')
    const type = 'content-type: application/x-www-form-urlencoded'
    socket.write(`POST /token HTTP/1.1\r\nhost: ${host}\r\n${type}\r\ncontent-length: ${body.length}\r\n\r\n`)
    socket.write(body.slice(0, 5))
    await pause(200)
    child.kill('SIGTERM')
    await refuses(url)
    const started = performance.now()
    // The client would keep the connection for its next request.
    socket.write(body.slice(5))
    const answer = await text(socket)
    assert.match(answer, /^HTTP\/1\.1 4\d\d /)
    assert.equal((await ended).status, 0)
    assert.ok(performance.now() - started < 5000, 'it waited for a client that had its answer')
  })

  it('a second signal does not cut what the first one lets finish', async () => {
    const { child } = await serve()
    const ended = outcomeOf(child)
    child.kill('SIGTERM')
    child.kill('SIGTERM')
    child.kill('SIGINT')
    assert.equal((await ended).status, 0)
  })

  it('a port in use is a failure in one line', async () => {
    const { url } = await serve()
    const other = createCommandLine(configOf(Number(new URL(url).port)))
    ends.push(() => other.remove())
    const { status, stderr } = await other.run(['serve'])
    assert.equal(status, 1)
    assert.match(stderr, /^stepgate: listen: 127\.0\.0\.1:\d+ is in use by another program\n$/)
  })

  it('what was made before a restart is there after it', async () => {
    const { cli, child, url } = await serve()
    const keysOf = async (): Promise<string> => (await fetch(`${url}/jwks`)).text()
    const before = await keysOf()
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
    const again = cli.start(['serve'])
    ends.push(() => again.kill('SIGKILL'))
    await untilReady(url, again)
    assert.equal(await keysOf(), before)
  })

  it('SIGHUP reloads: a broken file is told with line and key and changes nothing, a good one is served', async () => {
    const { cli, child, url } = await serve()
    const ended = outcomeOf(child)
    const good = cli.readConfig()
    const titled = async (name: string): Promise<boolean> =>
      (await (await fetch(`${url}/nowhere`)).text()).includes(name)
    cli.configure(`${good}brandig: { name: Neverland }\n`)
    child.kill('SIGHUP')
    await pause(500)
    assert.equal((await fetch(`${url}/readyz`)).status, 200)
    cli.configure(`${good}branding: { name: Wonderland }\n`)
    child.kill('SIGHUP')
    while (!(await titled('Wonderland'))) await pause(50)
    child.kill('SIGTERM')
    const { status, stdout } = await ended
    assert.equal(status, 0)
    const errors = linesOf(stdout).filter(({ level }) => level === 'error')
    assert.ok(errors.length > 0)
    for (const { message } of errors) assert.match(String(message), /stepgate\.yaml:4: brandig: /)
  })

  it('listen.workers: a worker that dies is replaced, SIGTERM ends all', {
    skip: leavesOut('servers'),
  }, async () => {
    const [redis, postgres, port] = await Promise.all([startRedis(), startPostgres(), freePort()])
    try {
      const cli = createCommandLine(`issuer: http://127.0.0.1:${port}
listen: { port: ${port}, workers: 2 }
secretKey: ${randomBytes(32).toString('base64')}
stores: { state: "${redis.url}", accounts: "${await postgres.createDatabase()}" }
mfa: { enabled: true, methods: [totp] }
`)
      const child = cli.start(['serve'])
      ends.push(() => cli.remove())
      const ended = outcomeOf(child)
      const url = `http://127.0.0.1:${port}`
      await untilReady(url, child)
      const workers = await untilChildren(child, 2)
      process.kill(Number(workers[0]), 'SIGKILL')
      await untilChildren(child, 1)
      const after = await untilChildren(child, 2)
      assert.ok(after.includes(String(workers[1])) && !after.includes(String(workers[0])))
      await untilReady(url, child)
      child.kill('SIGTERM')
      assert.equal((await ended).status, 0)
    } finally {
      await Promise.all([redis.stop(), postgres.stop()])
    }
  })

  it('listen.workers: workers that cannot start are a failure, not a loop', {
    skip: leavesOut('servers'),
  }, async () => {
    const [redis, postgres] = await Promise.all([startRedis(), startPostgres()])
    const { url } = await serve()
    const { port } = new URL(url)
    try {
      const cli = createCommandLine(`issuer: http://127.0.0.1:${port}
listen: { port: ${port}, workers: 2 }
secretKey: ${randomBytes(32).toString('base64')}
stores: { state: "${redis.url}", accounts: "${await postgres.createDatabase()}" }
mfa: { enabled: true, methods: [totp] }
`)
      ends.push(() => cli.remove())
      const { status, stderr } = await cli.run(['serve'])
      assert.equal(status, 1)
      assert.match(stderr, /is in use by another program/)
    } finally {
      await Promise.all([redis.stop(), postgres.stop()])
    }
  })

  const older = olderNode()
  describe('started by an older Node.js', { skip: older === undefined ? 'no Node.js below 24 on PATH' : false }, () => {
    it('runs on the one npm installed, hands signals on and its exit status back', async () => {
      const { child, url } = await serve({ node: String(older) })
      const ended = outcomeOf(child)
      assert.equal((await fetch(`${url}/livez`)).status, 200)
      child.kill('SIGTERM')
      assert.equal((await ended).status, 0)
      const cli = createCommandLine()
      ends.push(() => cli.remove())
      assertFailed(await cli.run(['nonsense'], { node: String(older) }), 2, /unknown command/)
    })

    it('says in one line what is missing where npm installed none', () => {
      const folder = mkdtempSync(join(tmpdir(), 'stepgate-bin-'))
      ends.push(() => rmSync(folder, { recursive: true, force: true }))
      mkdirSync(join(folder, 'bin'))
      writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
      copyFileSync(BIN, join(folder, 'bin', 'stepgate.js'))
      const { status, stdout, stderr } = spawnSync(String(older), [join(folder, 'bin', 'stepgate.js')], {
        encoding: 'utf8',
      })
      assert.deepEqual([status, stdout], [1, ''])
      assert.match(stderr, /^stepgate: Node\.js 24 or newer is needed, this is \d+\.\d+\.\d+: .+\n$/)
    })
  })
})

function linesOf(log: string): Record<string, unknown>[] {
  return log
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

async function untilReady(url: string, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null)
      throw new Error(`it ended with ${child.exitCode}: ${child.stderr === null ? '' : await text(child.stderr)}`)
    const answer = await fetch(`${url}/readyz`).catch(() => undefined)
    if (answer?.ok === true) return
    await pause(50)
  }
}

/** The process ids of its children, as soon as there are so many. */
async function untilChildren({ pid }: ChildProcess, count: number): Promise<string[]> {
  for (;;) {
    const list = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    const children = list
      .trim()
      .split(' ')
      .filter((child) => child !== '')
    if (children.length === count) return children
    await pause(20)
  }
}

async function refuses(url: string): Promise<void> {
  for (;;) {
    const answer = await fetch(url, { headers: { connection: 'close' } }).catch(() => undefined)
    if (answer === undefined) return
    await pause(20)
  }
}
