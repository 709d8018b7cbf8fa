import type { Page } from 'playwright-core'
import { toDataURL } from 'qrcode'
import { smallPng } from '../../scripts/small-png.ts'
import type { Gallery, Language, Visit } from './gallery.ts'
import { type Look, lookAs, SIZES, THEMES } from './look.ts'
import { STATIONS, type Station } from './newcomer.ts'
import { STATES, type State } from './states.ts'

/** One picture of one page. */
export interface Picture extends Look {
  /** Of the file. */
  name: string
  state: State
  language: Language
}

/** A key that unlocks nothing, and a reference to nothing. */
const KEY = 'JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP'
const KEY_URI = `otpauth://totp/Example:anna.berg?secret=${KEY.replaceAll(' ', '')}&issuer=Example&algorithm=SHA1&digits=6&period=30`
const CODE = 'K7QM-2XHD-VJ3N-P5TW'
const REFERENCE = 'Ab3dEf6hIj9k'

/** Pages that are shown in Swedish too: as many as it takes to see that it reads well. */
const SWEDISH = new Set(['login', 'choose', 'bind-totp', 'verify-email', 'error-expired'])

/** The file of a station of the newcomer's path. */
export const newcomerPicture = (station: Station): string =>
  `newcomer-${`${STATIONS.indexOf(station) + 1}`.padStart(2, '0')}-${station}.png`

/** Every page in both themes and sizes. */
export const PICTURES: readonly Picture[] = STATES.flatMap((state) => [
  ...THEMES.flatMap((theme) => SIZES.map((size) => pictureOf(state, 'en', { theme, size }))),
  ...(SWEDISH.has(state.name) ? [pictureOf(state, 'sv', { theme: 'light', size: '320' })] : []),
])

function pictureOf(state: State, language: Language, look: Look): Picture {
  const suffix = language === 'en' ? '' : `-${language}`
  return { name: `${state.name}-${look.theme}-${look.size}${suffix}.png`, state, language, ...look }
}

/**
 * The pictures of one state in one language; the same bytes each time, as long as the page and the fonts are the same.
 */
export async function* takePictures(gallery: Gallery, pictures: readonly Picture[]): AsyncGenerator<[Picture, Buffer]> {
  const [first] = pictures
  if (first === undefined) return
  const visit = await gallery.visit({ language: first.language })
  await reachStill(visit, first.state)
  for (const picture of pictures) {
    await lookAs(visit.page, picture)
    yield [picture, smallPng(await visit.page.screenshot({ fullPage: true }))]
  }
  await visit.close()
}

/** The card alone with its shadow, on the ground that it lies on. */
export async function takeCard(gallery: Gallery, name: string): Promise<Buffer> {
  const state = STATES.find((candidate) => candidate.name === name)
  if (state === undefined) throw new Error(`there is no page ${name}`)
  const visit = await gallery.visit()
  await reachStill(visit, state)
  await lookAs(visit.page, { theme: 'light', size: 'desktop' })
  // A ring around one field in each of several pictures would draw the eye there.
  await visit.page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur())
  const card = await visit.page.locator('.card').boundingBox()
  if (card === null) throw new Error(`${name} has no card`)
  const { x, y, width, height } = card
  const clip = { x: x - MARGIN, y: y - MARGIN, width: width + 2 * MARGIN, height: height + 2 * MARGIN }
  const png = await visit.page.screenshot({ fullPage: true, clip })
  await visit.close()
  return png
}

/** Pixels around a card, for its shadow. */
export const MARGIN = 20

async function reachStill(visit: Visit, state: State): Promise<void> {
  await state.reach(visit)
  await holdStill(visit.page)
}

/** Puts fixed words in place of what is new each time. */
export async function holdStill(page: Page): Promise<void> {
  const qr = await toDataURL(KEY_URI, { margin: 4, scale: 6 })
  await page.evaluate(
    async (fixed) => {
      const image = document.querySelector<HTMLImageElement>('img.qr')
      if (image !== null) image.src = fixed.qr
      await image?.decode()
      const key = document.querySelector('[data-secret]')
      if (key !== null) key.textContent = fixed.key
      for (const code of document.querySelectorAll('[data-code]')) code.textContent = fixed.code
      const reference = document.querySelector('.reference bdi')
      if (reference !== null) reference.textContent = fixed.reference
      const yaml = document.querySelector('[data-yaml]')
      if (yaml !== null)
        yaml.textContent = `${yaml.textContent}`.replace(/(client_secret: ).*/, `$1${fixed.reference}…`)
      await document.fonts.ready
    },
    { qr, key: KEY, code: CODE, reference: REFERENCE },
  )
}
