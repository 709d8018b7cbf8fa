import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, it } from 'node:test'

const DEMO = join(import.meta.dirname, '..', '..', 'demo', 'demo.ts')

interface Offer {
  gateway: string
  relyingParty: string
  inbox: string
  messages: string
  accounts: { username: string; password: string; email: string | null; totp?: { secret: string; uri: string } }[]
}

describe('npm run demo', () => {
  it('--json prints one object, all its addresses answer, and Ctrl-C ends it with status 0', async () => {
    const child = spawn(process.execPath, [DEMO, '--json'], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(child, 'exit')
    try {
      const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
      const offer = JSON.parse(line) as Offer
      const discovery = await fetch(`${offer.gateway}/.well-known/openid-configuration`)
      assert.equal(((await discovery.json()) as { issuer: string }).issuer, offer.gateway)
      assert.match(await (await fetch(offer.relyingParty)).text(), /Sign in/)
      assert.match(await (await fetch(offer.inbox)).text(), /No mail yet/)
      assert.deepEqual(await (await fetch(offer.messages)).json(), [])
      assert.deepEqual(
        offer.accounts.map(({ username, email, totp }) => [username, email, totp !== undefined]),
        [
          ['anna', 'anna@example.test', false],
          ['erik', null, false],
          ['maria', 'maria@example.test', true],
        ],
      )
      assert.equal(new Set(offer.accounts.map(({ password }) => password)).size, 3)
      const started = await fetch(`${offer.relyingParty}/sign-in`, { redirect: 'manual' })
      const page = await fetch(started.headers.get('location') ?? '', { redirect: 'manual' })
      assert.equal(page.status, 303)
    } finally {
      child.kill('SIGINT')
    }
    assert.deepEqual(await ended, [0, null])
  })

  it('--config lays a file over its configuration, and keeps what the file does not name', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'stepgate-demo-'))
    const file = join(folder, 'mine.yaml')
    writeFileSync(file, 'branding: { name: Mine }\nclients: [{ client_name: My app }]\nmfa: { methods: [totp] }\n')
    const child = spawn(process.execPath, [DEMO, '--json', '--config', file], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(child, 'exit')
    try {
      const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
      const { gateway, relyingParty } = JSON.parse(line) as Offer
      const nowhere = await fetch(`${gateway}/nowhere`, { headers: { accept: 'text/html' } })
      assert.match(await nowhere.text(), /Mine/)
      const started = await fetch(`${relyingParty}/sign-in`, { redirect: 'manual' })
      const page = await fetch(started.headers.get('location') ?? '', { redirect: 'manual' })
      assert.equal(page.status, 303)
    } finally {
      child.kill('SIGINT')
      await ended
      rmSync(folder, { recursive: true })
    }
  })
})
