import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { assertFailed } from './assertions.ts'
import { type CommandLine, createCommandLine } from './command-line.ts'

const PASSWORD = 'tovika-lumebo-redafi-42'

describe('stepgate user', () => {
  let cli: CommandLine

  before(async () => {
    cli = createCommandLine()
    const added = await cli.run(['user', 'add', 'anna', '--email', 'anna@example.test', '--password-stdin'], {
      input: `${PASSWORD}\n`,
    })
    assert.equal(added.status, 0, added.stderr)
  })
  after(() => cli.remove())

  it('add prints a one-use activation link on the issuer, and nothing else on standard output', async () => {
    const added = await cli.run(['user', 'add', 'erik', '--name', 'Erik Lind', '--group', 'staff', '--group', 'it'])
    assert.equal(added.status, 0, added.stderr)
    assert.match(added.stdout, /^http:\/\/127\.0\.0\.1:3000\/activate\/[\w-]{43}\n$/)
    const shown = await cli.run(['user', 'show', 'ERIK', '--json'])
    const { id, createdAt, updatedAt, ...rest } = shown.json as Record<string, unknown>
    assert.ok(typeof id === 'string' && createdAt === updatedAt)
    assert.deepEqual(rest, {
      username: 'erik',
      email: null,
      emailVerified: false,
      name: 'Erik Lind',
      groups: ['staff', 'it'],
      admin: false,
      disabled: false,
      locale: null,
    })
  })

  it('add --json tells account and link in one object', async () => {
    const added = await cli.run(['user', 'add', 'json', '--email', 'json@example.test', '--admin', '--json'])
    const { username, email, admin, activation } = added.json as Record<string, unknown>
    assert.deepEqual({ username, email, admin }, { username: 'json', email: 'json@example.test', admin: true })
    assert.match(String(activation), /\/activate\/[\w-]{43}$/)
  })

  it('add refuses a name that is taken, in any spelling, and an address that is somebody’s name', async () => {
    assertFailed(await cli.run(['user', 'add', 'ANNA', '--email', 'other@example.test']), 1, /ANNA is in use/)
    assertFailed(await cli.run(['user', 'add', 'Anna@Example.test', '--email', 'o@example.test']), 1, /is in use/)
  })

  it('add refuses a bad address as wrong usage that names the flag', async () => {
    assertFailed(
      await cli.run(['user', 'add', 'x', '--email', 'a@b.test,c@d.test']),
      2,
      /^stepgate: --email: "a@b\.test,c@d\.test"/,
    )
  })

  it('add refuses a name with control characters and never prints them', async () => {
    const outcome = await cli.run(['user', 'add', 'x\u001b[2Jy', '--email', 'x@example.test'])
    assertFailed(outcome, 2, /^stepgate: NAME: has control characters/)
    assert.ok(!outcome.stderr.includes('\u001b'))
  })

  it('add refuses a short password, one that everybody tries, none and more than one line, and makes no account', async () => {
    const add = (input: string) =>
      cli.run(['user', 'add', 'short', '--email', 's@example.test', '--password-stdin'], { input })
    assertFailed(await add('short'), 1, /password is refused: it has fewer than/)
    assertFailed(await add('P@ssw0rd1984'), 1, /^stepgate: the password is refused: it is one of those that are tried/m)
    assertFailed(await add('short-2026!'), 1, /password is refused: it is the name of the user or of the service/)
    assertFailed(await add(''), 2, /standard input: is empty/)
    assertFailed(await add('one\ntwo\n'), 2, /standard input: has more than one line/)
    assertFailed(await cli.run(['user', 'show', 'short']), 1, /^stepgate: user "short" does not exist$/m)
  })

  it('a password on the command line is not possible', async () => {
    assertFailed(await cli.run(['user', 'add', 'x', '--password', PASSWORD]), 2, /unknown option '--password'/)
  })

  it('list shows every account by name, as a table and as JSON', async () => {
    const [table, json] = await Promise.all([cli.run(['user', 'list']), cli.run(['user', 'list', '--json'])])
    assert.match(
      table.stdout,
      /^USER +ADDRESS +NAME +GROUPS +ADMIN +DISABLED\nanna +anna@example\.test +- +- +no +no$/m,
    )
    const names = (json.json as { username: string }[]).map(({ username }) => username)
    assert.deepEqual(names, [...names].sort())
    assert.ok(names.includes('anna'))
  })

  it('edit changes what is given and leaves the rest; an empty value removes', async () => {
    await cli.run(['user', 'add', 'edited', '--email', 'old@example.test', '--name', 'Old', '--group', 'a', '--admin'])
    const changed = await cli.run([
      'user',
      'edit',
      'edited',
      '--email',
      'new@example.test',
      '--name',
      '',
      '--no-admin',
      '--json',
    ])
    assert.equal(changed.status, 0, changed.stderr)
    const { email, name, groups, admin } = changed.json as Record<string, unknown>
    assert.deepEqual(
      { email, name, groups, admin },
      { email: 'new@example.test', name: null, groups: ['a'], admin: false },
    )
    const regrouped = await cli.run(['user', 'edit', 'edited', '--group', '', '--json'])
    assert.deepEqual((regrouped.json as Record<string, unknown>).groups, [])
  })

  it('edit refuses nothing to do, an unknown user and a taken address', async () => {
    assertFailed(await cli.run(['user', 'edit', 'anna']), 2, /nothing to change/)
    assertFailed(await cli.run(['user', 'edit', 'nobody', '--name', 'N']), 1, /user "nobody" does not exist/)
    await cli.run(['user', 'add', 'second', '--email', 'second@example.test'])
    assertFailed(await cli.run(['user', 'edit', 'second', '--email', 'ANNA@example.test']), 1, /is in use/)
  })

  it('passwd prints a new link each time, or sets the password on standard input', async () => {
    const [first, second] = [await cli.run(['user', 'passwd', 'anna']), await cli.run(['user', 'passwd', 'anna'])]
    assert.match(first.stdout, /\/activate\/[\w-]{43}\n$/)
    assert.notEqual(first.stdout, second.stdout)
    const set = await cli.run(['user', 'passwd', 'anna', '--password-stdin'], { input: `${PASSWORD}-new\n` })
    assert.deepEqual([set.status, set.stdout], [0, 'anna has a new password, all sessions have ended\n'])
    assert.ok(!`${set.stdout}${set.stderr}`.includes(PASSWORD))
    assertFailed(await cli.run(['user', 'passwd', 'nobody']), 1, /user "nobody" does not exist/)
  })

  it('disable and enable say what holds now, also the second time', async () => {
    for (const [command, disabled] of [
      ['disable', true],
      ['disable', true],
      ['enable', false],
    ] as const) {
      const outcome = await cli.run(['user', command, 'anna', '--json'])
      assert.deepEqual([outcome.status, outcome.json], [0, { username: 'anna', disabled }])
    }
  })

  it('remove needs exactly the name, and is over after it', async () => {
    await cli.run(['user', 'add', 'Gone', '--email', 'gone@example.test'])
    assertFailed(await cli.run(['user', 'remove', 'gone']), 1, /user "gone" is called "Gone"/)
    assertFailed(await cli.run(['user', 'remove', 'gone@example.test']), 1, /is called "Gone"/)
    const removed = await cli.run(['user', 'remove', 'Gone'])
    assert.deepEqual([removed.status, removed.stdout], [0, 'Gone is removed\n'])
    assertFailed(await cli.run(['user', 'remove', 'Gone']), 1, /user "Gone" does not exist/)
  })
})
