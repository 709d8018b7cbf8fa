import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { afterEach, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createBrowser } from '../harness/http-client.ts'
import { freePort } from '../harness/services.ts'
import { type SmtpService, startSmtp } from '../harness/smtp.ts'
import { type CommandLine, createCommandLine, outcomeOf } from './command-line.ts'

const QUICK_MINUTES = new URL('quick-minutes.mjs', import.meta.url).href
const PASSWORD = 'violet anchors drift 7'

/** Milliseconds from SIGTERM to the end of the process. */
const SOON = 1000

/** A mail server keeps its connections open; none of them may keep the process. */
describe('after a mailed code, `serve` ends within a second of SIGTERM', () => {
  const ends: (() => unknown)[] = []
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })

  async function prepare(mfa: string): Promise<{ cli: CommandLine; smtp: SmtpService; url: string; yaml: string }> {
    const [port, smtp] = [await freePort(), await startSmtp()]
    ends.push(() => smtp.stop())
    const url = `http://127.0.0.1:${port}`
    const yaml = `issuer: ${url}
listen: { port: ${port} }
mail: { smtp: "${smtp.url}", from: "Example <id@example.com>" }
mfa: ${mfa}
clients:
  - { client_id: app, client_secret: Vt7rN2kq9wLx4pZd8sHm3yBc6fGj1aEu, redirect_uris: ["http://127.0.0.1:9/callback"], pkce: optional }
`
    const cli = createCommandLine(yaml)
    ends.push(() => cli.remove())
    return { cli, smtp, url, yaml }
  }

  /** Its standard output grows in `said`. */
  async function serve(
    cli: CommandLine,
    url: string,
    env: Record<string, string> = {},
  ): Promise<{ child: ChildProcess; said(): string }> {
    const child = cli.start(['serve'], { env })
    ends.push(() => child.kill('SIGKILL'))
    let output = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
    for (;;) {
      assert.equal(child.exitCode, null, output)
      if ((await fetch(`${url}/readyz`).catch(() => undefined))?.ok === true) return { child, said: () => output }
      await pause(50)
    }
  }

  async function untilSaid(said: () => string, text: string): Promise<void> {
    for (let turn = 0; turn < 200 && !said().includes(text); turn++) await pause(50)
    assert.ok(said().includes(text), said())
  }

  async function signIn(url: string, smtp: SmtpService, given: { username: string; email: string }): Promise<void> {
    const browser = createBrowser({ origin: url })
    const query = 'client_id=app&response_type=code&scope=openid&redirect_uri=http%3A%2F%2F127.0.0.1%3A9%2Fcallback'
    const login = await browser.get(`${url}/auth?${query}`)
    const page = await browser.submit(login, { username: given.username, password: PASSWORD })
    assert.equal(page.page, 'verify-email')
    await smtp.waitFor(given.email)
  }

  async function ended(child: ChildProcess): Promise<number> {
    const outcome = outcomeOf(child)
    const asked = performance.now()
    child.kill('SIGTERM')
    assert.equal((await outcome).status, 0)
    return performance.now() - asked
  }

  const ANNA = { username: 'anna', email: 'anna@example.com' }

  async function withAnna(cli: CommandLine): Promise<void> {
    const added = ['user', 'add', ANNA.username, '--email', ANNA.email, '--password-stdin']
    assert.equal((await cli.run(added, { input: PASSWORD })).status, 0)
  }

  it('once the file was read again', async () => {
    const { cli, smtp, url, yaml } = await prepare('{ enabled: true, methods: [email] }')
    await withAnna(cli)
    const { child, said } = await serve(cli, url)
    await signIn(url, smtp, ANNA)
    cli.configure(`${yaml}branding: { name: Other }\n`)
    child.kill('SIGHUP')
    await untilSaid(said, 'the configuration was reloaded')
    await signIn(url, smtp, ANNA)
    const took = await ended(child)
    assert.ok(took < SOON, `it took ${Math.round(took)} ms`)
  })

  it('once keys were rotated', async () => {
    const { cli, smtp, url } = await prepare('{ enabled: true, methods: [email] }')
    await withAnna(cli)
    const { child } = await serve(cli, url, { NODE_OPTIONS: `--import=${QUICK_MINUTES}` })
    const keys = async (): Promise<number> =>
      ((await (await fetch(`${url}/jwks`)).json()) as { keys: unknown[] }).keys.length
    const before = await keys()
    await signIn(url, smtp, ANNA)
    assert.equal((await cli.run(['keys', 'rotate'])).status, 0)
    while ((await keys()) === before) await pause(50)
    await signIn(url, smtp, ANNA)
    const took = await ended(child)
    assert.ok(took < SOON, `it took ${Math.round(took)} ms`)
  })

  it('once set-up is finished', async () => {
    const { cli, smtp, url } = await prepare('{ methods: [email] }')
    const { child, said } = await serve(cli, url)
    const token = /^token: (.+)$/m.exec(said())?.[1] ?? ''
    const browser = createBrowser({ origin: url })
    const first = await browser.get(`${url}/setup`)
    const account = await browser.submit(first, { token, decision: 'keep', understood: 'on' })
    const root = { username: 'root-admin', email: 'root@example.com' }
    const code = await browser.submit(account, { ...root, password: PASSWORD })
    await browser.submit(code, { code: smtp.codeFor(root.email) })
    await signIn(url, smtp, root)
    const took = await ended(child)
    assert.ok(took < SOON, `it took ${Math.round(took)} ms`)
  })
})
