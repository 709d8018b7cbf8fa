import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, it } from 'node:test'

const LOGGER = new URL('../../src/kernel/logger.ts', import.meta.url).href

/** What a process prints that logs this way. */
function printed(code: string, options = "level: 'info', descriptor: 1, pretty: false"): string {
  const program = `import { createLogger } from ${JSON.stringify(LOGGER)}; const log = await createLogger({ ${options} }); ${code}`
  return execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
}

describe('the log', () => {
  it('is one JSON object a line, with time, level, message and the details', () => {
    const [line = '', ...rest] = printed("log.info('a thing happened', { count: 2 }); log.debug('quiet')")
      .trim()
      .split('\n')
    const { time, ...others } = JSON.parse(line) as Record<string, unknown>
    assert.deepEqual(others, { level: 'info', message: 'a thing happened', count: 2 })
    assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 60_000)
    assert.deepEqual(rest, [])
  })

  it('cuts what stands under the name of a secret, at any usual depth (LG-2)', () => {
    const details = `{ password: 'hunter2', form: { code: 'hunter2', csrf: 'hunter2' },
      request: { headers: { cookie: 'hunter2', authorization: 'hunter2', 'set-cookie': ['hunter2'] } },
      tokens: [{ id_token: 'hunter2' }] }`
    for (const pretty of [false, true]) {
      const text = printed(`log.warn('m', ${details})`, `level: 'info', descriptor: 1, pretty: ${pretty}`)
      assert.ok(text.includes('[redacted]') && !text.includes('hunter2'), text)
    }
  })

  it('tells of an error what it says, its code and its cause, and nothing else that hangs on it', () => {
    const error =
      "Object.assign(new Error('outer', { cause: new Error('inner') }), { code: 'ECONNREFUSED', command: { args: ['hunter2'] } })"
    const text = printed(`log.error('m', { error: ${error} })`)
    assert.ok(text.includes('outer') && text.includes('inner') && text.includes('ECONNREFUSED'), text)
    assert.ok(!text.includes('hunter2'), text)
  })
})
