import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Page } from 'playwright-core'
import { axe, overflow, violationsOf } from '../harness/browser.ts'
import { LONG } from '../harness/length.ts'
import { type Gallery, type Language, openGallery, type Visit } from './gallery.ts'
import { type Look, lookAs, SIZES, THEMES } from './look.ts'
import type { State } from './states.ts'

const EVERY_LOOK: readonly Look[] = THEMES.flatMap((theme) => SIZES.map((size) => ({ theme, size })))

/**
 * Axe takes its time: usually each theme and each size is judged once, while everything else is looked at in all of
 * them.
 */
const JUDGED: Record<Language, readonly Look[]> = {
  en: [
    { theme: 'light', size: 'desktop' },
    { theme: 'dark', size: '320' },
  ],
  sv: [{ theme: 'light', size: '320' }],
}

/** The pages themselves are the same with a problem on them, so that usually one language will do. */
function languagesOf({ page, error }: State): Language[] {
  return LONG || error === undefined || page === 'error' ? ['en', 'sv'] : ['en']
}

/** Tests of these pages, for the suite it is called in; answers the gallery, which is open during its tests. */
export function judgePages(states: readonly State[]): () => Gallery {
  let gallery: Gallery
  before(async () => {
    gallery = await openGallery()
  })
  after(() => gallery?.close())

  for (const state of states) {
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
  return () => gallery
}

/** Pages on which a code is typed. */
export const asksCode = ({ page }: State): boolean => /^(?:bind|verify)-/.test(page) && page !== 'bind-later'

async function faultsOf({ page, problems }: Visit, state: State, language: Language): Promise<string[]> {
  const faults = await headFaults(page, state, language)
  for (const look of EVERY_LOOK) {
    await lookAs(page, look)
    const judged = LONG || JUDGED[language].some(({ theme, size }) => theme === look.theme && size === look.size)
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
