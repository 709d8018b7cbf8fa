import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { openInstallation } from '../../src/app/installation.ts'
import { readConfig } from '../../src/cli/configuration.ts'
import { silentLog } from '../../src/kernel/log.ts'
import { assertFailed } from './assertions.ts'
import { type CommandLine, createCommandLine } from './command-line.ts'

type Key = Record<'kid' | 'alg' | 'status' | 'createdAt' | 'signsFrom', string> & {
  signsUntil: string | null
  publishedUntil: string | null
}

describe('stepgate keys', () => {
  let cli: CommandLine
  before(() => {
    cli = createCommandLine()
  })
  after(() => cli.remove())

  it('rotate publishes one new key of each kind, and list tells what each is used for and when', async () => {
    const rotated = await cli.run(['keys', 'rotate', '--json'])
    assert.equal(rotated.status, 0, rotated.stderr)
    const made = rotated.json as Key[]
    assert.deepEqual(made.map(({ alg, status }) => `${alg} ${status}`).sort(), ['ES256 next', 'RS256 next'])
    const listed = await cli.run(['keys', 'list', '--json'])
    const keys = listed.json as Key[]
    assert.equal(keys.length, 4)
    for (const { kid, status, createdAt, signsFrom, signsUntil, publishedUntil } of keys) {
      const isNew = made.some((key) => key.kid === kid)
      assert.equal(status, isNew ? 'next' : 'active')
      assert.equal(Date.parse(signsFrom) - Date.parse(createdAt), isNew ? 65 * 60_000 : 0)
      assert.deepEqual([signsUntil === null, publishedUntil === null], [isNew, isNew])
    }
    const table = await cli.run(['keys', 'list'])
    assert.match(table.stdout, /^KID +ALG +STATUS +CREATED +SIGNS FROM +SIGNS UNTIL +PUBLISHED UNTIL\n/)
    assert.doesNotMatch(`${table.stdout}${listed.stdout}${rotated.stdout}`, /"d"|"jwk"/)
  })

  it('keys of 3072 bits, where the file says so (KM-1)', async () => {
    const strong = createCommandLine(`${cli.readConfig()}tokens: { rsaBits: 3072 }\n`)
    try {
      assert.equal((await strong.run(['keys', 'rotate'])).status, 0)
      const installation = await openInstallation(readConfig(strong.file), { log: silentLog })
      const keys = (await installation.keys.list()).filter(({ alg }) => alg === 'RS256')
      await installation.close()
      assert.deepEqual(
        keys.map(({ jwk }) => Buffer.from(`${jwk.n}`, 'base64url').length * 8),
        [3072, 3072],
      )
      strong.configure(`${cli.readConfig()}tokens: { rsaBits: 1024 }\n`)
      assertFailed(await strong.run(['keys', 'list']), 2, /tokens\.rsaBits/)
    } finally {
      strong.remove()
    }
  })

  it('a second rotation waits for the first, says until when, and is not written down', async () => {
    assertFailed(await cli.run(['keys', 'rotate']), 1, /do not sign yet: they do from \d{4}-\S+Z$/m)
    const { stdout } = await cli.run(['audit', '--json'])
    assert.equal(stdout.match(/key\.rotated/g)?.length, 1)
    assert.match(stdout, /"by":"cli"/)
  })
})
