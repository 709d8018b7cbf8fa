import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { giveActivationLink } from '../../src/administration/people/activation-link.ts'
import { addPerson } from '../../src/administration/people/add.ts'
import { disablePerson } from '../../src/administration/people/disable.ts'
import { editPerson } from '../../src/administration/people/edit.ts'
import { enablePerson } from '../../src/administration/people/enable.ts'
import { importPeople } from '../../src/administration/people/import.ts'
import { readImport } from '../../src/administration/people/import-text.ts'
import { removePerson } from '../../src/administration/people/remove.ts'
import { setPassword } from '../../src/administration/people/set-password.ts'
import { UnavailableError } from '../../src/kernel/errors.ts'
import { onEachDatabase } from '../harness/databases.ts'
import { CONSOLE, ISSUER, openAdministration, PASSWORD, type TestAdministration } from './administration.ts'

const BY = { by: 'console', operator: CONSOLE.operator }
const actor = CONSOLE
const password = async (): Promise<string> => PASSWORD
const uniqueName = (): string => `user-${randomUUID()}`
const neverAsked = async (): Promise<string> => assert.fail('nobody types a password in vain')

onEachDatabase('administration of people', (databases) => {
  let site: TestAdministration
  let dependencies: TestAdministration['dependencies']
  before(async () => {
    site = await openAdministration(databases)
    dependencies = site.dependencies
  })
  after(() => site.close())
  const tokenOf = (link = ''): string => link.slice(`${ISSUER}/activate/`.length)
  const opens = async (link: string | undefined): Promise<boolean> =>
    (await dependencies.activations.find(tokenOf(link))) !== undefined

  test('add: the row names the actor and the account, and the link is for its owner', async () => {
    const username = uniqueName()
    const { rows, mails } = await site.written(async () => {
      const added = await addPerson(dependencies, { actor, username, groups: ['a', 'b', 'a'], admin: true })
      assert.ok(added.ok)
      assert.deepEqual([added.account.groups, added.account.admin], [['a', 'b'], true])
      assert.equal((await dependencies.activations.find(tokenOf(added.link)))?.id, added.account.id)
    })
    const account = await dependencies.accounts.findByLogin(username)
    assert.deepEqual(
      rows.map(({ event, account: id, details }) => [event, id, details]),
      [['user.created', account?.id, BY]],
    )
    assert.deepEqual(mails, [])
  })

  test('add: with a password there is no link, and the password signs in', async () => {
    const username = uniqueName()
    const added = await addPerson(dependencies, { actor, username, password })
    assert.ok(added.ok && added.link === undefined)
    assert.equal((await dependencies.accounts.authenticate(username, PASSWORD))?.id, added.account.id)
  })

  test('add: what cannot be is refused with its reason, and there is neither account nor row', async () => {
    const { username: login } = await site.member()
    const username = uniqueName()
    const refused = async (facts: Partial<Parameters<typeof addPerson>[1]>) => {
      const { ok, ...reason } = await addPerson(dependencies, { actor, username, ...facts })
      assert.equal(ok, false)
      return reason
    }
    const invalid = (field: string, value: string, problem: string) => ({ reason: 'invalid', field, value, problem })
    const { rows } = await site.written(async () => {
      const wrong = { password: neverAsked }
      assert.deepEqual(await refused({ username: ' x', ...wrong }), invalid('username', ' x', 'blank'))
      assert.deepEqual(await refused({ email: 'a@b.test,c@d.test', ...wrong }), {
        ...invalid('email', 'a@b.test,c@d.test', 'no-address'),
      })
      assert.deepEqual(await refused({ name: 'a\u0007b', ...wrong }), invalid('name', 'a\u0007b', 'control-characters'))
      const long = 'g'.repeat(129)
      assert.deepEqual(await refused({ groups: ['fine', long] }), invalid('groups', long, 'too-long'))
      assert.deepEqual(await refused({ password: async () => 'short' }), {
        ...{ reason: 'password', problem: 'too-short', minLength: 12 },
      })
      const own = async (): Promise<string> => `${username}!`
      assert.deepEqual(await refused({ password: own }), { reason: 'password', problem: 'personal', minLength: 12 })
      const other = login.toUpperCase()
      assert.deepEqual(await refused({ username: other }), { reason: 'login-taken', login: other })
    })
    assert.deepEqual(rows, [])
    assert.equal(await dependencies.accounts.findByLogin(username), undefined)
  })

  test('add: a field that cannot be is refused before anything is asked, kept or told', async () => {
    site.heard.length = 0
    const down = { ...dependencies, state: { ping: async () => assert.fail('nothing is tried in vain') } }
    for (const wrong of [{ username: ' ' }, { email: 'x' }, { name: ' ' }, { groups: [' '] }]) {
      for (const given of [{}, { password: neverAsked }]) {
        const outcome = await addPerson(down, { actor, username: uniqueName(), ...wrong, ...given })
        assert.ok(!outcome.ok && outcome.reason === 'invalid')
      }
    }
    assert.deepEqual(site.heard, [])
  })

  test('add: where links cannot be kept there is no account, and whoever needs none gets in (FA-5)', async () => {
    const ping = async (): Promise<void> => {
      throw new UnavailableError('redis')
    }
    const broken = { ...dependencies, state: { ping } }
    const username = uniqueName()
    await assert.rejects(addPerson(broken, { actor, username }), UnavailableError)
    assert.equal(await dependencies.accounts.findByLogin(username), undefined)
    assert.ok((await addPerson(broken, { actor, username, password })).ok)
  })

  test('add and import: the answer of the file is kept before there are accounts, and a missing one is told (A5, A10)', async () => {
    site.heard.length = 0
    await addPerson(dependencies, { actor, username: uniqueName() })
    assert.deepEqual(site.heard, ['nobody answered'])
    assert.equal(await dependencies.setupDecisions.get(), undefined)
    const answered = { ...dependencies, setupDecision: { enabled: true, from: 'file' } as const }
    const { rows } = await site.written(async () => {
      await importPeople(answered, { actor, list: readImport('username\n'), source: 'x.csv', take: 'all' })
      assert.equal((await dependencies.setupDecisions.get())?.enabled, true)
      await addPerson(answered, { actor, username: uniqueName() })
    })
    assert.deepEqual(site.heard, ['nobody answered'])
    assert.deepEqual(
      rows.map(({ event, details }) => [event, details?.by]),
      [
        ['setup.answered', 'file'],
        ['user.created', 'console'],
      ],
    )
  })

  test('edit: the row names what changed and by whom; both addresses are told, sessions and links end (EM-12, PW-16)', async () => {
    const account = await site.member({ name: 'Before', groups: ['a'] })
    const given = await giveActivationLink(dependencies, { actor, person: { id: account.id } })
    dependencies.sessions.of.set(`of ${account.id}`, account.id)
    const email = `moved-${account.email}`
    const { rows, mails } = await site.written(async () => {
      const changes = { email, name: null, admin: true }
      const edited = await editPerson(dependencies, { actor, person: { id: account.id }, changes })
      assert.ok(edited.ok)
      const { name, groups, admin } = edited.account
      assert.deepEqual([edited.account.email, name, groups, admin], [email, undefined, ['a'], true])
    })
    assert.deepEqual(
      rows.map(({ event, account: id, details }) => [event, id, details]),
      [['user.changed', account.id, { changed: ['email', 'name', 'admin'], ...BY }]],
    )
    assert.deepEqual(mails, [`address-changed to ${account.email}`, `address-changed to ${email}`].sort())
    assert.equal(dependencies.sessions.of.has(`of ${account.id}`), false)
    // Also when the person moves back: whoever reads the other address may have the link.
    const changes = { email: `${account.email}` }
    assert.ok((await editPerson(dependencies, { actor, person: { id: account.id }, changes })).ok)
    assert.equal(await opens(given.ok ? given.link : undefined), false)
  })

  test('edit: a name or a group ends nothing and mails nobody', async () => {
    const account = await site.member()
    dependencies.sessions.of.set(`of ${account.id}`, account.id)
    const given = await giveActivationLink(dependencies, { actor, person: { id: account.id } })
    const { mails } = await site.written(() =>
      editPerson(dependencies, { actor, person: { id: account.id }, changes: { name: 'A', groups: ['b'] } }),
    )
    assert.deepEqual(mails, [])
    assert.equal(dependencies.sessions.of.has(`of ${account.id}`), true)
    assert.equal(await opens(given.ok ? given.link : undefined), true)
  })

  test('edit: nothing, a field that cannot be, a password that may not be and a name that is taken have their reasons', async () => {
    const [account, other] = [await site.member(), await site.member()]
    const edit = async (facts: Partial<Parameters<typeof editPerson>[1]>) => {
      const edited = await editPerson(dependencies, { actor, person: { id: account.id }, changes: {}, ...facts })
      return edited.ok ? 'ok' : edited.reason
    }
    const { rows, mails } = await site.written(async () => {
      assert.equal(await edit({}), 'nothing')
      assert.equal(await edit({ changes: { name: ' ' }, password: neverAsked }), 'invalid')
      assert.equal(await edit({ changes: { name: 'A' }, password: async () => 'short' }), 'password')
      assert.equal(await edit({ changes: { email: `${other.email}` } }), 'login-taken')
    })
    assert.deepEqual([rows, mails], [[], []])
  })

  test('passwords: set or edited, the owner is told by the actor’s deed, and sessions and links end (PW-12, PW-13)', async () => {
    const changes = {}
    const deeds = { set: setPassword, edit: editPerson }
    for (const [name, deed] of Object.entries(deeds)) {
      const account = await site.member()
      const person = { id: account.id }
      const given = await giveActivationLink(dependencies, { actor, person })
      dependencies.sessions.of.set(`of ${account.id}`, account.id)
      const revoked: string[] = []
      const activations = {
        ...dependencies.activations,
        revoke: async (id: string): Promise<void> => {
          revoked.push(id)
          await dependencies.activations.revoke(id)
        },
      }
      const { rows, mails } = await site.written(async () => {
        const told = { ...dependencies, activations }
        assert.ok((await deed(told, { actor, person, changes, password })).ok, name)
      })
      // The link would die with the password too; it is ended, not only outlived.
      assert.deepEqual(revoked, [account.id])
      assert.deepEqual(
        rows.map(({ event, account: id, details }) => [event, id, details]),
        [['password.changed', account.id, BY]],
      )
      assert.deepEqual(mails, [`password-changed to ${account.email}`])
      assert.ok(await dependencies.accounts.authenticate(account.username, PASSWORD))
      assert.equal(dependencies.sessions.of.has(`of ${account.id}`), false)
      assert.equal(await opens(given.ok ? given.link : undefined), false)
    }
  })

  test('disable and enable: the owner is told of the first, and everything ends with it', async () => {
    const account = await site.member()
    const person = { login: `${account.email}`.toUpperCase() }
    dependencies.sessions.of.set(`of ${account.id}`, account.id)
    const { rows, mails } = await site.written(async () => {
      const given = await giveActivationLink(dependencies, { actor, person })
      databases.clock.advance(1)
      assert.ok((await disablePerson(dependencies, { actor, person })).ok)
      databases.clock.advance(1)
      assert.ok((await enablePerson(dependencies, { actor, person })).ok)
      // It would open again otherwise: only while the account is disabled is it nobody's.
      assert.equal(await opens(given.ok ? given.link : undefined), false)
    })
    assert.deepEqual(
      rows.map(({ event, account: id, details }) => [event, id, details]),
      [
        ['admin.command', account.id, { command: 'user passwd', ...BY }],
        ['user.disabled', account.id, BY],
        ['user.enabled', account.id, BY],
      ],
    )
    assert.deepEqual(mails, [`account-disabled to ${account.email}`])
    assert.equal(dependencies.sessions.of.has(`of ${account.id}`), false)
    assert.equal((await dependencies.accounts.find(account.id))?.disabled, false)
  })

  test('remove: only with exactly the user name; the row keeps it', async () => {
    const account = await site.member()
    await site.remember(account)
    dependencies.sessions.of.set(`of ${account.id}`, account.id)
    const person = { id: account.id }
    const { rows } = await site.written(async () => {
      for (const username of [`${account.email}`, account.username.toUpperCase()]) {
        const refused = await removePerson(dependencies, { actor, person, username })
        assert.ok(!refused.ok && refused.reason === 'other-name' && refused.account.id === account.id)
      }
      assert.equal(dependencies.sessions.of.has(`of ${account.id}`), true)
      assert.equal((await dependencies.devices.list(account)).length, 1)
      assert.ok((await removePerson(dependencies, { actor, person, username: account.username })).ok)
    })
    assert.deepEqual(
      rows.map(({ event, account: id, details }) => [event, id, details]),
      [['user.deleted', account.id, { username: account.username, ...BY }]],
    )
    assert.equal(await dependencies.accounts.find(account.id), undefined)
    assert.deepEqual(await dependencies.devices.list(account), [])
    assert.equal(dependencies.sessions.of.has(`of ${account.id}`), false)
  })

  test('nobody of this name or id, and somebody who is removed meanwhile, are outcomes, and nothing is written', async () => {
    const removed = await site.member()
    await removePerson(dependencies, { actor, person: { id: removed.id }, username: removed.username })
    const facts = { changes: { name: 'A' }, username: removed.username }
    const deeds = { giveActivationLink, editPerson, setPassword, disablePerson, enablePerson, removePerson }
    // As another administrator's page finds it a moment before.
    const late = { ...dependencies, accounts: { ...dependencies.accounts, find: async () => removed } }
    const { rows, mails } = await site.written(async () => {
      for (const [name, deed] of Object.entries(deeds)) {
        for (const person of [{ login: removed.username }, { id: removed.id }]) {
          const outcome = await deed(dependencies, { actor, person, ...facts, password: neverAsked })
          assert.deepEqual(outcome, { ok: false, reason: 'unknown-person' }, name)
        }
        if (name === 'giveActivationLink') continue
        const outcome = await deed(late, { actor, person: { id: removed.id }, ...facts, password })
        assert.deepEqual(outcome, { ok: false, reason: 'gone' }, name)
      }
      const named = await editPerson(late, { actor, person: { id: removed.id }, changes: { name: 'A' } })
      assert.deepEqual(named, { ok: false, reason: 'gone' })
    })
    assert.deepEqual([rows, mails], [[], []])
  })

  test('import: all or those that can be, each row by the actor; a name taken in this moment makes nobody', async () => {
    const { username: taken } = await site.member()
    const [one, two] = [uniqueName(), uniqueName()]
    const list = readImport(`username,groups\n${one},a\n${taken},\n${two},`)
    const order = { actor, list, source: 'people.csv' }
    const seen: string[] = []
    const progress = (written: number, total: number): void => void seen.push(`${written} of ${total}`)
    const { rows } = await site.written(async () => {
      const all = await importPeople(dependencies, { ...order, take: 'all' })
      assert.ok(all.ok)
      assert.deepEqual([all.imported, all.good, all.refused.map(({ line }) => line)], [[], 2, [3]])
      const some = await importPeople(dependencies, { ...order, take: 'possible', progress })
      assert.ok(some.ok)
      assert.deepEqual([some.imported.length, some.good, some.refused.length], [2, 2, 1])
      const blind = { ...dependencies, accounts: { ...dependencies.accounts, taken: async () => new Set<string>() } }
      const late = await importPeople(blind, { ...order, list: readImport(`username\n${one}x\n${one}`), take: 'all' })
      assert.deepEqual(late, { ok: false, reason: 'login-taken', login: one })
    })
    assert.deepEqual(
      rows.map(({ event, details }) => [event, details]),
      Array(2).fill(['user.created', { import: 'people.csv', password: 'none', ...BY }]),
    )
    assert.deepEqual(seen, ['2 of 2'])
    const spoilt = await importPeople(dependencies, {
      ...{ ...order, take: 'possible' },
      list: { ...readImport(`username\n${uniqueName()}`), spoilt: true },
    })
    assert.ok(spoilt.ok)
    assert.deepEqual([spoilt.imported, spoilt.good], [[], 1])
  })
})
