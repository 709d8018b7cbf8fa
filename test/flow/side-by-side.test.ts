import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { CookieJar } from 'tough-cookie'
import {
  checkOut,
  createInstallation,
  hasPackagesOf,
  type PastGateway,
  type PastInstallation,
  type PastProgram,
} from '../../scripts/state-fixture/past-program.ts'
import { BIN } from '../cli/command-line.ts'
import type { BrowserResponse } from '../harness/http-client.ts'
import { createRemoteParty, type RemoteClient, type RemoteParty } from '../harness/remote-party.ts'
import { freePort, type PostgresService, type RedisService, startPostgres, startRedis } from '../harness/services.ts'
import { type SmtpService, startSmtp } from '../harness/smtp.ts'
import { leavesOut } from '../harness/stores.ts'
import { assertPage } from './person-site.ts'

/**
 * While replicas are exchanged one by one, the old program and this one share the stores: each reads what the other
 * writes. The old one is the real one, from the history of this repository.
 */
const OLD = 'e8e7e98'
const ISSUER = 'https://id.example.test'
const CLIENT: RemoteClient = {
  client_id: 'app',
  client_secret: 'side-by-side-secret-that-opens-nothing-else',
  redirect_uri: 'https://app.example.test/callback',
}
const NEW_PASSWORD = 'tovika-lumebo-redafi-42'
const SECRET_KEY = randomBytes(32).toString('base64')

/** Why the old program cannot be run here; false: it can. */
function oldIsMissing(): string | false {
  try {
    const packages = execFileSync('git', ['show', `${OLD}:package.json`], { encoding: 'utf8', stdio: 'pipe' })
    if (!hasPackagesOf(packages)) return `needs the packages that ${OLD} runs on`
    return leavesOut('servers')
  } catch {
    return `needs ${OLD} in the history of this clone`
  }
}

interface Replica {
  name: string
  installation: PastInstallation
  gateway: PastGateway
  party: RemoteParty
}

describe(`this program beside ${OLD}, on one Redis and one PostgreSQL`, { skip: oldIsMissing() }, () => {
  let program: PastProgram
  let redis: RedisService
  let postgres: PostgresService
  let smtp: SmtpService
  const replicas: Replica[] = []
  let people = 0

  before(async () => {
    program = checkOut(OLD)
    ;[redis, postgres, smtp] = await Promise.all([startRedis(), startPostgres(), startSmtp()])
    const accounts = await postgres.createDatabase()
    for (const [name, bin] of [
      ['old', program.bin],
      ['new', BIN],
    ] as const) {
      replicas.push(await start(name, { bin, accounts }))
    }
  })

  after(async () => {
    for (const { gateway, installation } of replicas) {
      await gateway.end('SIGTERM')
      installation.remove()
    }
    await Promise.all([redis?.stop(), postgres?.stop(), smtp?.stop()])
    program?.remove()
  })

  async function start(name: string, { bin, accounts }: { bin: string; accounts: string }): Promise<Replica> {
    const port = await freePort()
    const installation = createInstallation(bin, {
      issuer: ISSUER,
      listen: { port, trustedProxies: ['127.0.0.1'] },
      secretKey: SECRET_KEY,
      stores: { state: redis.url, accounts },
      mail: { smtp: smtp.url, from: 'Example <id@example.test>' },
      mfa: { enabled: true, methods: ['email'] },
      passwords: { resetByMail: 'always' },
      clients: [
        {
          client_id: CLIENT.client_id,
          client_secret: CLIENT.client_secret,
          redirect_uris: [CLIENT.redirect_uri],
          grant_types: ['authorization_code', 'refresh_token'],
        },
      ],
    })
    const gateway = await installation.serve()
    return { name, installation, gateway, party: createRemoteParty({ issuer: ISSUER, port }) }
  }

  /** Both ways round: what the first one writes, the second one reads. */
  function each(title: string, work: (first: Replica, second: Replica) => Promise<void>): void {
    for (const order of [0, 1]) {
      it(`${title}, ${order === 0 ? 'begun by the old one' : 'begun by this one'}`, async () => {
        const [old, own] = replicas
        assert.ok(old !== undefined && own !== undefined)
        await (order === 0 ? work(old, own) : work(own, old))
      })
    }
  }

  async function person({ installation }: Replica) {
    people++
    const [username, password] = [`person-${people}`, `side by side ${people} lanterns`]
    const email = `${username}@example.test`
    await installation.run(['user', 'add', username, '--email', email, '--password-stdin'], password)
    return { username, password, email, jar: new CookieJar(), address: `203.0.113.${people}` }
  }
  type Person = Awaited<ReturnType<typeof person>>

  /** The same browser, led to this replica by whoever spreads the load. */
  const at = ({ party }: Replica, { jar, address }: Person) => party.browser(address, jar)

  async function enter(replica: Replica, who: Person): Promise<BrowserResponse> {
    const login = assertPage(await at(replica, who).get(replica.party.authorization(CLIENT)), 'login')
    return at(replica, who).submit(login, { username: who.username, password: who.password })
  }

  const finish = (replica: Replica, who: Person, page: BrowserResponse, more: Record<string, string> = {}) =>
    at(replica, who).submit(assertPage(page, 'verify-email'), { code: smtp.codeFor(who.email), ...more })

  each('a sign-in is finished by the other, and its session and tokens are good at both', async (first, second) => {
    const who = await person(first)
    const page = await enter(first, who)
    assertPage(await at(second, who).get(page.url), 'verify-email')
    const end = await finish(second, who, page)
    const tokens = await first.party.redeem(CLIENT, end.location)
    const { sid } = await second.party.claims(CLIENT, tokens.id_token)
    for (const replica of [first, second]) {
      const again = await at(replica, who).get(replica.party.authorization(CLIENT))
      const claims = await first.party.claims(CLIENT, (await second.party.redeem(CLIENT, again.location)).id_token)
      assert.equal(claims.sid, sid)
      const bearer = { authorization: `Bearer ${tokens.access_token}` }
      assert.equal((await replica.party.get('/me', bearer)).status, 200)
      assert.equal((await replica.party.refresh(CLIENT, `${tokens.refresh_token}`)).status, 200)
    }
    const logout = await at(first, who).get(`${ISSUER}/session/end?client_id=app`)
    assertPage(await at(second, who).submit(logout, { logout: 'yes' }), 'signed-out')
    for (const replica of [first, second]) {
      assertPage(await at(replica, who).get(replica.party.authorization(CLIENT)), 'login')
    }
  })

  each('a browser that one remembers is known to the other, and to the first again', async (first, second) => {
    const who = await person(first)
    const end = await finish(first, who, await enter(first, who), { remember: 'on' })
    await first.party.redeem(CLIENT, end.location)
    for (const replica of [second, first, second]) {
      const { cookies } = await who.jar.serialize()
      const session = cookies.map(({ key }) => `${key}`).filter((name) => name.includes('session'))
      await at(replica, who).clear(...session)
      assert.match(`${(await enter(replica, who)).location}`, /[?&]code=/)
    }
  })

  each('a new address is asked for at one and confirmed at the other', async (first, second) => {
    const who = await person(first)
    await finish(first, who, await enter(first, who))
    const page = assertPage(await at(first, who).get(`${ISSUER}/account`), 'account')
    const form = page.forms.find(({ fields }) => fields.includes('address'))
    assert.ok(form)
    const address = `new-${who.email}`
    const confirm = await at(first, who).submit(page, { address, action: 'address' }, { form })
    await smtp.waitFor(address)
    const done = await at(second, who).submit(confirm, { code: smtp.codeFor(address) })
    assertPage(done, 'account')
    assert.match(done.text(), /Your new address is confirmed/)
  })

  each('links of one are good at the other', async (first, second) => {
    const who = await person(first)
    const forgot = await at(first, who).get(`${ISSUER}/forgot`)
    await at(first, who).submit(forgot, { username: who.username })
    const mail = await smtp.waitFor(({ to, text }) => to.includes(who.email) && text.includes('/reset/'))
    const invited = await first.installation.run(['user', 'add', `invited-${people}`, '--email', `i${people}@x.test`])
    const reset = /https:\S+\/reset\/\S+/.exec(mail.text)?.[0] ?? ''
    const { activation } = JSON.parse(invited) as { activation: string }
    for (const link of [reset, activation]) {
      const form = await at(second, who).get(link)
      const set = await at(second, who).submit(form, { password: NEW_PASSWORD, passwordAgain: NEW_PASSWORD })
      assertPage(set, 'password-set')
      assert.equal((await at(first, who).get(link)).status, 410)
    }
  })

  it('the commands of both work on what both have written', async () => {
    for (const { installation, name } of replicas) {
      const listed = JSON.parse(await installation.run(['user', 'list'])) as unknown[]
      assert.equal(listed.length, people + 2, name)
    }
  })
})
