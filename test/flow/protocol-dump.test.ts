import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import * as client from 'openid-client'
import pg from 'pg'
import { keyOf } from '../../src/state/store.ts'
import {
  answerIn,
  askFor,
  type Browser,
  newMember,
  onBothStores,
  seen,
  signInAt,
  type TestSite,
} from './protocol-site.ts'

const EVERYTHING_IN_REDIS = `
  local lines = {}
  for _, key in ipairs(redis.call('KEYS', '*')) do
    local kind = redis.call('TYPE', key).ok
    local value
    if kind == 'string' then value = redis.call('GET', key)
    elseif kind == 'hash' then value = redis.call('HGETALL', key)
    elseif kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1)
    elseif kind == 'set' then value = redis.call('SMEMBERS', key)
    else value = redis.call('LRANGE', key, 0, -1) end
    table.insert(lines, key .. ' ' .. cjson.encode(value))
  end
  return table.concat(lines, '\\n')`

function everythingInSqlite(file: string): string {
  const database = new DatabaseSync(file, { readOnly: true })
  const tables = database.prepare("select name from sqlite_master where type = 'table'").all()
  const rows = tables.flatMap(({ name }) => database.prepare(`select * from "${name}"`).all())
  database.close()
  return rows.map((row) => Object.values(row).map(text).join(' ')).join('\n')
}

async function everythingInPostgres(url: string): Promise<string> {
  const database = new pg.Client({ connectionString: url })
  await database.connect()
  const { rows: tables } = await database.query("select tablename from pg_tables where schemaname = 'public'")
  const lines: string[] = []
  for (const { tablename } of tables) {
    const { rows } = await database.query(`select * from "${tablename}"`)
    lines.push(...rows.map((row) => Object.values(row).map(text).join(' ')))
  }
  await database.end()
  return lines.join('\n')
}

const text = (value: unknown): string =>
  value instanceof Uint8Array
    ? Buffer.from(value).toString('latin1')
    : typeof value === 'object'
      ? JSON.stringify(value)
      : `${value}`

async function dumps({ stores, gateway }: TestSite): Promise<{ state: string; accounts: string }> {
  const { dataDir, accounts } = gateway.installation.config.stores
  const state = await stores.redis?.command('eval', EVERYTHING_IN_REDIS, '0')
  return {
    state: state ?? everythingInSqlite(join(dataDir, 'state.db')),
    accounts:
      accounts === undefined ? everythingInSqlite(join(dataDir, 'stepgate.db')) : await everythingInPostgres(accounts),
  }
}

/** Values of cookies and the parts of addresses that open something, as every answer of this process hands them out. */
function listen(found: Set<string>, uids: Set<string>): () => void {
  const heard = (message: unknown): void => {
    const { response } = message as { response: ServerResponse }
    for (const line of [response.getHeader('set-cookie') ?? []].flat()) {
      const value = decodeURIComponent(/=([^;]*)/.exec(`${line}`)?.[1] ?? '')
      // Of a remembered device, the part behind the point is the secret.
      for (const part of [value, ...value.split('.').slice(1)]) found.add(part)
    }
    const location = `${response.getHeader('location') ?? ''}`
    for (const uid of location.matchAll(/\/(?:interaction|auth)\/([\w-]+)/g)) uids.add(`${uid[1]}`)
    for (const [, value] of location.matchAll(/[?&](?:code|request_uri)=([^&]+)/g)) {
      found.add(decodeURIComponent(`${value}`))
    }
  }
  subscribe('http.server.response.finish', heard)
  return () => void unsubscribe('http.server.response.finish', heard)
}

/** Hidden fields that forms carry against forgery. */
function watching(browser: Browser, found: Set<string>): Browser {
  return {
    ...browser,
    submit(page, ...given) {
      for (const name of ['csrf', 'xsrf']) found.add(page.form?.hidden[name] ?? '')
      return browser.submit(page, ...given)
    },
  }
}

onBothStores('a copy of everything that is stored', (testSite) => {
  const site = testSite({
    mail: 'on',
    parties: { app: {}, spa: { clientSecret: 'none' }, third: { metadata: { firstParty: false } } },
    config: { mfa: { enabled: true, methods: ['email', 'totp'] } },
  })

  test('holds no cookie, code, token, form token, device secret or uid that was handed out (KM-8)', async () => {
    const found = new Set<string>()
    const uids = new Set<string>()
    const stop = listen(found, uids)
    const keep = ({ tokens }: { tokens: client.TokenEndpointResponse }) => {
      for (const token of [tokens.access_token, tokens.refresh_token, tokens.id_token]) found.add(token ?? '')
    }
    const member = await newMember(site)
    const browser = watching(site.browser(), found)
    const states: string[] = []
    keep(await signInAt(site, browser, member, { by: 'totp', remember: 'on' }))
    await browser.clear('stepgate-session', 'stepgate-session.sig')
    keep(await signInAt(site, browser, member))
    keep(await signInAt(site, browser, member, { by: 'email', parameters: { prompt: 'login' } }))
    const { end } = await askFor(site, browser, member, {
      party: 'third',
      parameters: { scope: 'openid offline_access', prompt: 'consent' },
    })
    assert.equal(end.page, 'consent', seen(end))
    keep(await site.party('third').callback(`${(await browser.submit(end, { action: 'allow' })).location}`))
    const spa = await signInAt(site, browser, member, { party: 'spa' })
    keep(spa)
    keep(await site.party('spa').refresh(`${spa.tokens.refresh_token}`))
    const asked = (await site.party().authorize()).searchParams
    const pushed = await client.buildAuthorizationUrlWithPAR(await site.party().configuration(), asked)
    found.add(`${pushed.searchParams.get('request_uri')}`.split(':').at(-1) ?? '')
    found.add(`${asked.get('state')}`)
    // A sign-in under way, a code that nobody redeems, and a browser that leaves.
    const waiting = site.browser()
    const page = await waiting.get(await site.party().authorize())
    await watching(waiting, found).submit(page, { username: member.username, password: member.password })
    const left = await askFor(site, browser, member)
    found.add(`${answerIn(left.end).code}`)
    states.push((await dumps(site)).state)
    const out = await browser.get(await site.party().logout({ client_id: 'app' }))
    await browser.submit(out, { logout: 'yes' })
    found.add(member.password)
    await site.gateway.installation.trail.flush()
    const { state, accounts } = await dumps(site)
    states.push(state)
    stop()

    const bearers = [...found].filter((value) => value.length >= 16 && !uids.has(value))
    assert.ok(bearers.length > 40 && uids.size > 4, `only ${bearers.length} and ${uids.size} were heard`)
    // What it is about is there, under names that say nothing.
    const uid = new URL(page.url).pathname.split('/').at(-1) ?? ''
    assert.ok(uids.has(uid))
    assert.ok(state.includes(keyOf('pending', uid)))
    assert.ok(accounts.includes(member.id))
    for (const bearer of [...bearers, ...uids]) {
      for (const dump of states) assert.equal(dump.indexOf(bearer), -1, `stored as it is: ${bearer}`)
    }
    // Audit events name the interaction (LG-1), which is worth nothing without its signed cookie.
    for (const bearer of bearers) assert.equal(accounts.indexOf(bearer), -1, `stored as it is: ${bearer}`)
  })
})
