import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { checkRows } from '../../src/administration/people/import-rows.ts'
import { readImportFile } from '../../src/cli/user/import-file.ts'
import { needs } from '../harness/needs.ts'
import { type PostgresService, startPostgres } from '../harness/services.ts'
import { assertFailed } from './assertions.ts'
import { CONFIG, type CommandLine, createCommandLine, type Outcome } from './command-line.ts'

const BCRYPT = '$2b$05$abcdefghijklmnopqrstuuFiPhXf1sVd3pCCRO.uVh34H/qI/ZsuS'
const PBKDF2 = '$pbkdf2-sha256$1000$AAECAwQFBgcICQoLDA0ODw$ppsXnjrdPB4KryJ6DrOqKqhkWrhv7PbKAMF1Eml8cZ4'
const COSTLY = '$2b$31$abcdefghijklmnopqrstuuFiPhXf1sVd3pCCRO.uVh34H/qI/ZsuS'
const HEAD = 'username,email,name,groups,passwordHash'
const ROWS = 10_000

interface Imported {
  imported: number
  refused: { line: number; column: string | null; reason: string }[]
}

describe('user import', () => {
  let cli: CommandLine
  let file: string
  let made = 0
  before(() => {
    cli = createCommandLine()
  })
  after(() => cli.remove())

  async function importing(text: string | Uint8Array, ...flags: string[]): Promise<Outcome> {
    file = join(cli.folder, `users-${++made}`)
    writeFileSync(file, text)
    return await cli.run(['user', 'import', file, ...flags])
  }
  /** As the command finds them, among accounts called anna and erik. */
  const refusals = (text: string): string[] => {
    file = join(cli.folder, `users-${++made}`)
    writeFileSync(file, text)
    const { rows, refused } = readImportFile(file)
    const all = [...refused, ...checkRows(rows, new Set(['anna', 'erik'])).refused]
    return all.map(({ line, column, reason }) => `${line} ${column}: ${reason}`)
  }
  const names = async (): Promise<string[]> =>
    ((await cli.run(['user', 'list', '--json'])).json as { username: string }[]).map(({ username }) => username)

  it('takes CSV with columns in any order, and leaves out what is empty', async () => {
    const text = `\ufeffgroups,passwordHash,username,email,name\r\n"a;b|c d",${BCRYPT},anna,Anna@example.test,"Berg, Anna"\r\n\r\n,,erik,,\r\n`
    const outcome = await importing(text)
    assert.deepEqual([outcome.status, outcome.stdout, outcome.stderr], [0, 'imported 2 users\n', ''])
    const anna = (await cli.run(['user', 'show', 'anna', '--json'])).json as Record<string, unknown>
    assert.deepEqual(
      [anna.email, anna.emailVerified, anna.name, anna.groups, anna.admin],
      ['Anna@example.test', false, 'Berg, Anna', ['a', 'b', 'c', 'd'], false],
    )
    const erik = (await cli.run(['user', 'show', 'erik', '--json'])).json as Record<string, unknown>
    assert.deepEqual([erik.email, erik.name, erik.groups], [null, null, []])
  })

  it('takes a JSON array, with groups as a list', async () => {
    const users = [
      { username: 'jonas', email: 'jonas@example.test', groups: ['a b', 'c'], passwordHash: PBKDF2 },
      { username: 'jana', email: null },
    ]
    const outcome = await importing(JSON.stringify(users), '--json')
    assert.deepEqual([outcome.status, outcome.json], [0, { imported: 2, refused: [] }])
    const jonas = (await cli.run(['user', 'show', 'jonas', '--json'])).json as Record<string, unknown>
    assert.deepEqual(jonas.groups, ['a b', 'c'])
  })

  it('names every problem by file, line and column, repeats no hash, and makes nobody', async () => {
    const before = await names()
    const outcome = await importing(
      [
        HEAD,
        'fine,fine@example.test,,,',
        'FINE,two@example.test; three@example.test,,,hunter2hunter2',
        `ANNA,,,,${COSTLY}`,
        ',,,,',
        'x,fine@example.test,"\u001b[31mred",,',
        'too,few',
      ].join('\n'),
    )
    assert.equal(outcome.status, 1)
    assert.equal(outcome.stdout, '')
    assert.deepEqual(outcome.stderr.trimEnd().split('\n'), [
      `${file}:3: passwordHash: is no hash of argon2, bcrypt, scrypt or PBKDF2 that can be verified`,
      `${file}:3: email: is not one plain address like anna@example.com`,
      `${file}:3: username: is used in line 2 already`,
      `${file}:4: passwordHash: asks for more work than is done for a sign-in`,
      `${file}:4: username: is in use by another account`,
      `${file}:5: username: is missing`,
      `${file}:6: name: has control characters`,
      `${file}:6: email: is used in line 2 already`,
      `${file}:7: has 2 values where the header has 5`,
      'stepgate: nothing was imported (--partial leaves out what cannot be)',
    ])
    assert.ok(!outcome.stderr.includes('hunter2'))
    assert.deepEqual(await names(), before)
  })

  it('--partial makes those that can be made, and still fails', async () => {
    const outcome = await importing(`${HEAD}\npart-one,,,,\nanna,,,,\npart-two,,,,\n`, '--partial')
    assert.equal(outcome.status, 1)
    assert.equal(outcome.stdout, 'imported 2 users\n')
    assert.match(outcome.stderr, /users-\d+:3: username: is in use by another account\n$/)
    const now = await names()
    assert.ok(now.includes('part-one') && now.includes('part-two'))
  })

  it('a name that is the address of another row is refused, whatever its case (CVE-2024-1722)', () => {
    const text = `${HEAD}\none,Shared@example.test,,,\nshared@EXAMPLE.test,,,,\n`
    assert.deepEqual(refusals(text), ['3 username: is used in line 2 already'])
    assert.deepEqual(refusals('[{"username":"two"},{"username":"Two"}]'), ['1 username: is used in line 1 already'])
  })

  it('what spreadsheets would run, and what moves a terminal, is refused (IN-5)', () => {
    const bad = ['=cmd|calc', '+1', '-1', '@sum', 'a\u0007b', 'a\u202eb']
    const text = [HEAD, ...bad.map((value, index) => `n${index},,${value},${value},`), ...bad].join('\n')
    const found = refusals(text)
    for (const index of bad.keys()) {
      const of = (column: string) => found.some((line) => line.startsWith(`${index + 2} ${column}: `))
      assert.ok(of('name') && of('groups'), `${index}`)
    }
    assert.ok(refusals(`${HEAD}\n=x@example.test,=x@example.test,,,`).some((line) => line.startsWith('2 email')))
    assert.deepEqual(refusals('username\n=cmd'), ['2 username: begins like a formula of a spreadsheet'])
  })

  it('a file that is not meant so is refused as a whole, also with --partial', async () => {
    const whole: [string, RegExp][] = [
      ['', /^1 null: the file is empty$/],
      ['email\nx@example.test\n', /^1 username: is missing from the header$/],
      ['username,username\na,b\n', /^1 username: is there twice$/],
      ['username\na\n"open\n', /^\d null: is no CSV: /],
      ['[{"username":"x"', /^1 null: is no JSON: /],
    ]
    for (const [text, reason] of whole) assert.match(refusals(text).join(), reason)
    const outcome = await importing(`${HEAD},admin\nx,,,,,true\n`, '--partial')
    assert.deepEqual([outcome.status, outcome.stdout], [1, ''])
    assert.match(outcome.stderr, /:1: admin: is not one of username, email, .*\nstepgate: nothing was imported\n$/)
    const strange = '[{"username":"x1"},\n3,\n\n{"username":"x2","__proto__":{"admin":true}},{"username":["x3"]}]'
    assert.deepEqual(refusals(strange), [
      '2 null: is no object',
      '4 __proto__: is not one of username, email, name, groups, passwordHash',
      '4 username: is no text',
    ])
    assertFailed(
      await importing(Buffer.from('username\n\xe5sa\n', 'latin1')),
      2,
      /FILE: ".*" cannot be read: it is not UTF-8/,
    )
    assertFailed(await cli.run(['user', 'import', 'nowhere.csv']), 2, /FILE: "nowhere.csv" cannot be read: ENOENT/)
  })

  it('shows twenty problems and counts the rest', async () => {
    const outcome = await importing(`${HEAD}\n${'anna,,,,\n'.repeat(50)}`)
    const lines = outcome.stderr.trimEnd().split('\n')
    assert.equal(lines.length, 22)
    assert.equal(lines[20], 'stepgate: 30 more of 50 problems are not shown (--json has all)')
  })
})

function tenThousand(): string {
  const rows = Array.from(
    { length: ROWS },
    (_, index) => `u${index},u${index}@example.test,User ${index},a;b,${BCRYPT}`,
  )
  return [HEAD, ...rows].join('\n')
}

async function importTenThousand(cli: CommandLine): Promise<void> {
  try {
    const file = join(cli.folder, 'users.csv')
    writeFileSync(file, tenThousand())
    const outcome = await cli.run(['user', 'import', file])
    assert.deepEqual([outcome.status, outcome.stdout, outcome.stderr], [0, `imported ${ROWS} users\n`, ''])
    const last = (await cli.run(['user', 'show', `u${ROWS - 1}`, '--json'])).json as Record<string, unknown>
    assert.deepEqual([last.email, last.groups], [`u${ROWS - 1}@example.test`, ['a', 'b']])
    const twice = await cli.run(['user', 'import', file, '--json'])
    assert.equal(twice.status, 1)
    assert.equal((twice.json as Imported).refused.length, 2 * ROWS)
  } finally {
    cli.remove()
  }
}

it('ten thousand users with hashes move in at once, embedded', () => importTenThousand(createCommandLine()))

describe('ten thousand users', { skip: needs('postgres') }, () => {
  let postgres: PostgresService
  before(async () => {
    postgres = await startPostgres()
  })
  after(() => postgres.stop())

  it('move in at once, PostgreSQL', async () => {
    const key = `secretKey: "${randomBytes(32).toString('base64')}"`
    const url = await postgres.createDatabase()
    await importTenThousand(createCommandLine(`${CONFIG}${key}\nstores: { accounts: "${url}" }\n`))
  })
})
