import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createGateway, type Gateway } from '../../src/app/gateway.ts'
import { type Installation, openInstallation } from '../../src/app/installation.ts'
import { loadConfig } from '../../src/config/reading/load.ts'
import { createReloader, type Reloader } from '../../src/config/reading/watch.ts'
import type { Log } from '../../src/kernel/log.ts'
import { BLOCKS } from '../../src/mfa/factors/registry.ts'
import { testHasher } from '../harness/gateway.ts'
import { createBrowser } from '../harness/http-client.ts'
import { freePort } from '../harness/services.ts'
import { startSmtp } from '../harness/smtp.ts'
import { codeAt } from '../harness/totp-app.ts'

const CALLBACK = 'http://127.0.0.1:9/callback'
const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'

describe('reload', () => {
  const folder = mkdtempSync(join(tmpdir(), 'stepgate-reload-'))
  const file = join(folder, 'stepgate.yaml')
  const lines: { level: string; message: string; details: unknown }[] = []
  let port: number
  let site: Installation
  let gateway: Gateway
  let reloader: Reloader

  const yaml = (mfa: string, more = ''): string => `issuer: http://127.0.0.1:${port}
listen: { port: ${port} }
stores: { dataDir: data }
mfa: ${mfa}
limits: { interactionsPerAddress: 100000 }
clients:
  - { client_id: app, client_secret: Vt7rN2kq9wLx4pZd8sHm3yBc6fGj1aEu, redirect_uris: ["${CALLBACK}"] }
${more}`
  const TOTP = '{ enabled: true, methods: [totp], rememberDays: 30 }'

  /** As a careful editor does it: a whole file, put in place at once. */
  function write(text: string): void {
    writeFileSync(`${file}.new`, text, { mode: 0o600 })
    renameSync(`${file}.new`, file)
  }

  async function until(check: () => boolean): Promise<void> {
    for (let turn = 0; turn < 100 && !check(); turn++) await pause(50)
    assert.ok(check(), 'in time')
  }

  before(async () => {
    port = await freePort()
    write(yaml(TOTP))
    const say =
      (level: string) =>
      (message: string, details?: unknown): void =>
        void lines.push({ level, message, details })
    const log: Log = { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') }
    const config = loadConfig(file, { blocks: BLOCKS })
    site = await openInstallation(config, { log, hasher: testHasher })
    gateway = await createGateway(site)
    await gateway.listen()
    reloader = createReloader(config, { blocks: BLOCKS, apply: (next) => gateway.reload(next), log })
  })

  after(async () => {
    reloader.close()
    gateway.server.closeAllConnections()
    await gateway.close()
    await site.close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function begin(name: string) {
    const passwordHash = await testHasher.hash('a-long-password')
    await site.accounts.insert({ username: name, passwordHash }, { event: 'user.created', outcome: 'ok' })
    const browser = createBrowser()
    const query = new URLSearchParams({
      client_id: 'app',
      response_type: 'code',
      scope: 'openid',
      redirect_uri: CALLBACK,
      code_challenge: CHALLENGE,
      code_challenge_method: 'S256',
    })
    const login = await browser.get(`http://127.0.0.1:${port}/auth?${query}`)
    const bind = await browser.submit(login, { username: name, password: 'a-long-password' })
    return { browser, bind }
  }

  test('a changed file takes effect by itself, the difference is logged by key, and sign-ins under way go on (B6)', async () => {
    const before = await begin('under-way')
    assert.equal(before.bind.page, 'bind-totp')
    assert.notEqual(before.bind.find('[name="remember"]'), undefined)
    write(yaml('{ enabled: true, methods: [totp], rememberDays: 0 }'))
    await until(() => lines.some(({ message }) => message === 'the configuration was reloaded'))
    const { details } = lines.find(({ message }) => message === 'the configuration was reloaded') ?? {}
    assert.deepEqual(details, { changes: [{ key: 'mfa.rememberDays', before: 30, after: 0 }] })
    const shown = await before.browser.get(before.bind.url)
    assert.equal(shown.find('[name="remember"]'), undefined, 'the new days hold for the page')
    const code = codeAt(shown.text('[data-secret]'), Date.now())
    const done = await before.browser.submit(shown, { code })
    assert.match(String(done.location), /code=/)
  })

  test('a broken file changes nothing and says file, line and key (B6); a secret that changes is masked', async () => {
    write(yaml('{ enabled: true, methods: [totp], rememberDays: 999 }'))
    assert.equal(await reloader.reload(), 'refused')
    const { level, message } = lines.at(-1) ?? {}
    assert.equal(level, 'error')
    assert.match(String(message), new RegExp(`^${file}:4: mfa\\.rememberDays: `))
    write(yaml(TOTP).replace('Vt7rN2kq9wLx4pZd8sHm3yBc6fGj1aEu', 'Xt7rN2kq9wLx4pZd8sHm3yBc6fGj1aEu'))
    assert.equal(await reloader.reload(), 'applied')
    assert.doesNotMatch(JSON.stringify(lines), /[VX]t7rN2kq9wLx4pZd8sHm3yBc6fGj1aEu/)
    assert.match(JSON.stringify(lines.at(-1)), /clients\.app\.client_secret/)
  })

  test('letters go by the mail server of the present file, also those that waited for one (FA-11)', async () => {
    const smtp = await startSmtp()
    try {
      const data = { kind: 'password-changed', service: 'Example', time: Date.now() }
      await site.outbox.add([{ to: 'anna@example.test', template: 'notice', locale: 'en', data }])
      write(yaml(TOTP, `mail: { smtp: "${smtp.url}", from: id@example.com }\n`))
      assert.equal(await reloader.reload(), 'applied')
      assert.match((await smtp.waitFor('anna@example.test')).subject, /password was changed/)
    } finally {
      write(yaml(TOTP))
      await reloader.reload()
      await smtp.stop()
    }
  })

  test('twenty reloads while people sign in lose no sign-in', async () => {
    let reloading = true
    const reloads = (async () => {
      for (let turn = 0; turn < 20; turn++) {
        write(yaml(TOTP.replace('30', `${10 + turn}`)))
        assert.equal(await reloader.reload(), 'applied')
        await pause(20)
      }
      reloading = false
    })()
    const signIn = async (worker: number): Promise<number> => {
      let done = 0
      while (reloading) {
        const { browser, bind } = await begin(`w${worker}-${done}`)
        assert.equal(bind.page, 'bind-totp', bind.body)
        const end = await browser.submit(bind, { code: codeAt(bind.text('[data-secret]'), Date.now()) })
        assert.match(String(end.location), /code=/)
        done += 1
      }
      return done
    }
    const [, ...counts] = await Promise.all([reloads, signIn(1), signIn(2), signIn(3)])
    assert.ok(counts.every((count) => count > 0))
  })
})
