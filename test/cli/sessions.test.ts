import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Browser, type Member, newMember, onServers, onStores, signInAt } from '../flow/protocol-site.ts'
import { assertFailed } from './assertions.ts'
import { createCommandLine } from './command-line.ts'

const PARTIES = { app: { backChannel: 'on' }, deaf: { backChannel: 'on' } } as const

onStores('embedded', 'stepgate ends sessions beside a gateway that runs', (testSite) => {
  const site = testSite({ parties: PARTIES })

  async function run(given: readonly string[], input = '') {
    const command = createCommandLine(JSON.stringify(site.gateway.config))
    try {
      return await command.run(given, { input })
    } finally {
      command.remove()
    }
  }
  async function signedIn(party = 'app'): Promise<{ member: Member; browser: Browser; sid: unknown; access: string }> {
    const [member, browser] = [await newMember(site), site.browser()]
    const { claims, tokens } = await signInAt(site, browser, member, { party })
    return { member, browser, sid: claims.sid, access: `${tokens.access_token}` }
  }
  const signedOut = async ({ browser, sid, access }: Awaited<ReturnType<typeof signedIn>>) => {
    const told = site.party('app').logouts.filter((logout) => logout.sid === sid)
    const { active } = await site.party('app').introspect(access)
    const page = await browser.get(await site.party('app').authorize())
    return { told: told.length, active, page: page.page }
  }
  const OUT = { told: 1, active: false, page: 'login' }

  test('user sessions lists, ends one by its id, then all (SE-9)', async () => {
    const one = await signedIn()
    const { username } = one.member
    const listed = (await run(['user', 'sessions', username, '--json'])).json as Record<string, unknown>[]
    const [session] = listed
    assert.equal(listed.length, 1)
    assert.deepEqual(Object.keys(session ?? {}), [
      'id',
      'userAgent',
      'address',
      'startedAt',
      'lastUsedAt',
      'expiresAt',
      'methods',
      'clients',
    ])
    assert.deepEqual([session?.clients, session?.methods], [['app'], ['password', 'totp']])
    const table = await run(['user', 'sessions', username])
    assert.match(table.stdout, /^BROWSER +ADDRESS .* ID\n.* 127\.0\.0\.1 .* password\+totp +app +\S+\n$/)
    assertFailed(await run(['user', 'sessions', username, '--id', 'x']), 1, /has no session "x"/)
    const ended = await run(['user', 'sessions', username, '--end', '--id', `${session?.id}`, '--json'])
    assert.deepEqual([ended.status, ended.json], [0, { username, ended: 1 }], ended.stderr)
    assert.deepEqual(await signedOut(one), OUT)
    const none = await run(['user', 'sessions', username, '--end', '--json'])
    assert.deepEqual(none.json, { username, ended: 0 })
    const empty = await run(['user', 'sessions', username])
    assert.equal(empty.stdout, `${username} is not signed in anywhere\n`)
    assertFailed(await run(['user', 'sessions', 'nobody']), 1, /user "nobody" does not exist/)
  })

  const COMMANDS: readonly [title: string, given: (name: string) => string[], input?: string][] = [
    ['user sessions --end', (name) => ['user', 'sessions', name, '--end']],
    // Red where --end takes the name for its value.
    ['user sessions --end before the name', (name) => ['user', 'sessions', '--end', name]],
    ['user disable', (name) => ['user', 'disable', name]],
    ['user remove', (name) => ['user', 'remove', name]],
    ['user passwd', (name) => ['user', 'passwd', name, '--password-stdin'], 'tovika-lumebo-redafi-42\n'],
    ['user edit', (name) => ['user', 'edit', name, '--password-stdin'], 'tovika-lumebo-redafi-43\n'],
    ['user edit --email', (name) => ['user', 'edit', name, '--email', `moved-${name}@example.test`]],
    ['mfa reset', (name) => ['mfa', 'reset', name, '--reason', 'lost phone']],
  ]
  for (const [title, given, input] of COMMANDS) {
    test(`${title} ends the session, its tokens and the application's own session (LO-4, I2)`, async () => {
      const one = await signedIn()
      const outcome = await run(given(one.member.username), input)
      assert.deepEqual([outcome.status, outcome.stderr], [0, ''])
      assert.deepEqual(await signedOut(one), OUT)
      assert.deepEqual(site.party('app').refusedLogouts, [])
    })
  }

  test('an application that cannot be reached is a warning, and the user is disabled all the same (LO-5)', async () => {
    const { member } = await signedIn('deaf')
    await site.party('deaf').stop()
    const outcome = await run(['user', 'disable', member.username])
    assert.deepEqual([outcome.status, outcome.stdout], [0, `${member.username} cannot sign in any more\n`])
    const warnings = outcome.stderr.trim().split('\n')
    assert.equal(warnings.at(-1), 'stepgate: client "deaf" could not be told that sessions have ended')
    assert.equal((await site.gateway.installation.accounts.find(member.id))?.disabled, true)
  })
})

onServers('stepgate and a store that is down', (testSite) => {
  const site = testSite()

  test('ending sessions fails in one line, and never says that it is done (FA-5)', async () => {
    const [member, browser] = [await newMember(site), site.browser()]
    await signInAt(site, browser, member)
    const command = createCommandLine(JSON.stringify(site.gateway.config))
    const other = await newMember(site)
    await signInAt(site, site.browser(), other)
    const ended = await command.run(['user', 'sessions', other.username, '--end', '--json'])
    assert.deepEqual(ended.json, { username: other.username, ended: 1 }, ended.stderr)
    await site.stores.redis?.stop()
    await assert.rejects(site.gateway.sessions.endAll(member.id), { name: 'UnavailableError' })
    await assert.rejects(site.gateway.sessions.end(member.id, 'x'), { name: 'UnavailableError' })
    assertFailed(await command.run(['user', 'sessions', member.username, '--end']), 1, /redis is unavailable/)
    command.remove()
  })
})
