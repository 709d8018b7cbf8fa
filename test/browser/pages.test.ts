import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import type { DataError } from '../../src/views/pages.ts'
import { viewNames } from '../../src/views/renderer.ts'
import { axe, overflow, violationsOf } from '../harness/browser.ts'
import { needs } from '../harness/needs.ts'
import { type Gallery, type Language, openGallery, type Visit } from './gallery.ts'
import { type Look, lookAs, SIZES, THEMES } from './look.ts'
import { STATES, type State } from './states.ts'

const long = process.env.STEPGATE_TEST_LENGTH === 'long'

const EVERY_LOOK: readonly Look[] = THEMES.flatMap((theme) => SIZES.map((size) => ({ theme, size })))

/** Axe takes its time: usually each theme and each size is judged once, while everything else is looked at in all of them. */
const JUDGED: Record<Language, readonly Look[]> = {
  en: [
    { theme: 'light', size: 'desktop' },
    { theme: 'dark', size: '320' },
  ],
  sv: [{ theme: 'light', size: '320' }],
}

/** The pages themselves are the same with a problem on them, so that usually one language will do. */
function languagesOf({ page, error }: State): Language[] {
  return long || error === undefined || page === 'error' ? ['en', 'sv'] : ['en']
}

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
    const views = viewNames().filter((view) => !/^(?:layout$|partials\/|mail\/)/.test(view))
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

describe('every page', { skip: needs('chromium') }, () => {
  let gallery: Gallery
  before(async () => {
    gallery = await openGallery()
  })
  after(() => gallery?.close())

  test('what a browser complains of is noticed', async () => {
    const visit = await gallery.visit()
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

  for (const state of STATES) {
    const languages = languagesOf(state)
    test(`${state.name}: whole, readable and accessible in both themes and sizes (${languages.join(', ')})`, async () => {
      for (const language of languages) {
        const visit = await gallery.visit({ language })
        await state.reach(visit)
        assert.deepEqual(await faultsOf(visit, state, language), [], `in ${language}`)
        await visit.close()
      }
    })
  }
})

async function faultsOf({ page, problems }: Visit, state: State, language: Language): Promise<string[]> {
  const faults = await headFaults(page, state, language)
  for (const look of EVERY_LOOK) {
    await lookAs(page, look)
    const judged = long || JUDGED[language].some(({ theme, size }) => theme === look.theme && size === look.size)
    const found = [...(await overflow(page)), ...(judged ? violationsOf(await axe(page)) : [])]
    faults.push(...found.map((fault) => `${look.theme}, ${look.size}: ${fault}`))
  }
  return [...faults, ...problems]
}

async function headFaults(page: Page, state: State, language: Language): Promise<string[]> {
  const seen = await page.evaluate(() => ({
    page: document.querySelector('main')?.dataset.page,
    error: document.querySelector('main')?.dataset.error,
    language: document.documentElement.lang,
    headings: document.querySelectorAll('h1').length,
    title: document.title !== '',
  }))
  const wanted = { page: state.page, error: state.error, language, headings: 1, title: true }
  return JSON.stringify(seen) === JSON.stringify(wanted) ? [] : [`the page is ${JSON.stringify(seen)}`]
}
