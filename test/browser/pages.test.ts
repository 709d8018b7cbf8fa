import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { DataError } from '../../src/views/pages.ts'
import { viewNames } from '../../src/views/renderer.ts'
import { needs } from '../harness/needs.ts'
import { asksCode, judgePages } from './judge.ts'
import { STATES } from './states.ts'

const PROBLEMS: Record<DataError, true> = {
  credentials: true,
  code: true,
  expired: true,
  throttled: true,
  locked: true,
  mail: true,
  'no-address': true,
  clock: true,
  unavailable: true,
  csrf: true,
}

describe('the catalogue of pages', () => {
  test('has every page of the product', () => {
    const views = viewNames().filter((view) => !/^(?:layout$|partials\/|account\/|mail\/)/.test(view))
    const names = views.map((view) => (view.startsWith('pages/') ? view.slice(6) : view.split('/').reverse().join('-')))
    const shown = new Set(STATES.map(({ page }) => page))
    assert.deepEqual(
      names.filter((name) => !shown.has(name)),
      [],
      'add them to test/browser/states.ts',
    )
  })

  test('has every problem that a page can name', () => {
    const shown = new Set(STATES.map(({ error }) => error))
    assert.deepEqual(
      Object.keys(PROBLEMS).filter((problem) => !shown.has(problem)),
      [],
    )
  })
})

describe('every page without a code', { skip: needs('chromium-headless-shell') }, () => {
  const gallery = judgePages(STATES.filter((state) => !asksCode(state)))

  test('what a browser complains of is noticed', async () => {
    const visit = await gallery().visit()
    await STATES[0]?.reach(visit)
    assert.deepEqual(visit.problems, [])
    await visit.page.evaluate(() => {
      const script = document.createElement('script')
      script.textContent = 'window.ran = true'
      const image = document.createElement('img')
      image.src = 'http://127.0.0.1:9/picture.png'
      document.body.append(script, image)
    })
    await visit.page.waitForFunction(() => document.querySelector('img')?.complete)
    const told = visit.problems.join('\n')
    assert.match(told, /console: .*script-src 'self'/)
    assert.match(told, /console: .*img-src/)
    await visit.close()
  })
})
