import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Gallery, openGallery } from '../test/browser/gallery.ts'
import { lookAs } from '../test/browser/look.ts'
import { walkAsNewcomer } from '../test/browser/newcomer.ts'
import { holdStill, MARGIN, newcomerPicture, PICTURES, takeCard, takePictures } from '../test/browser/pictures.ts'
import { startChromium } from '../test/harness/browser.ts'
import { LINKED_FOLDER, linkedPictures, PICTURES_FOLDER } from './linked-pictures.ts'
import { differingPixels, smallPng } from './small-png.ts'

/**
 * Pictures of every page, made from a real gateway into a folder that git ignores:
 * `npm run screenshots [-- PART-OF-A-NAME…]`. Those that the documentation shows are brought up to date in its own
 * folder too.
 */
/** For the README: columns of cards. */
const SHEET = 'sign-in.png'
const COLUMNS = [['login', 'choose'], ['verify-email', 'verify-totp'], ['bind-totp']]
/** What the pages look like must not hang on what else is installed; this one is near to what phones and desks have. */
const FONT = { family: 'Inter', package: 'fonts-inter' }

/** Pixels: Chromium does not paint every rounded corner the same way each time. */
const NOISE = 100

const FONTS = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
<include ignore_missing="yes">/etc/fonts/fonts.conf</include>
${['system-ui', 'sans-serif', 'sans']
  .map(
    (name) =>
      `<match target="pattern"><test qual="any" name="family"><string>${name}</string></test>` +
      `<edit name="family" mode="prepend" binding="strong"><string>${FONT.family}</string></edit></match>`,
  )
  .join('\n')}
</fontconfig>
`

async function main(): Promise<number> {
  const parts = process.argv.slice(2)
  if (!execFileSync('fc-list', [FONT.family], { encoding: 'utf8' }).includes(FONT.family)) {
    console.error(`The font ${FONT.family} is missing: apt-get install -y --no-install-recommends ${FONT.package}`)
    return 1
  }
  const fonts = mkdtempSync(join(tmpdir(), 'stepgate-fonts-'))
  const file = join(fonts, 'fonts.conf')
  writeFileSync(file, FONTS)
  process.env.FONTCONFIG_FILE = file
  if (parts.length === 0) rmSync(PICTURES_FOLDER, { recursive: true, force: true })
  for (const folder of [PICTURES_FOLDER, LINKED_FOLDER]) mkdirSync(folder, { recursive: true })
  const gallery = await openGallery()
  try {
    await writePictures(gallery, parts)
    if (parts.length === 0) await writeSheet(gallery)
    if (parts.length === 0 || parts.includes('newcomer')) await writeNewcomer()
  } finally {
    await gallery.close()
    rmSync(fonts, { recursive: true })
  }
  if (parts.length === 0) removeOthers()
  const made = readdirSync(PICTURES_FOLDER).length
  console.log(
    `${made} pictures in ${PICTURES_FOLDER}; the ${linked.size} that the documentation shows in ${LINKED_FOLDER}`,
  )
  return 0
}

async function writePictures(gallery: Gallery, parts: string[]): Promise<void> {
  const wanted = PICTURES.filter(({ name }) => parts.length === 0 || parts.some((part) => name.includes(part)))
  const visits = Map.groupBy(wanted, ({ state, language }) => `${state.name} ${language}`)
  for (const pictures of visits.values()) {
    for await (const [{ name }, png] of takePictures(gallery, pictures)) {
      keep(name, png)
    }
  }
}

/** Times and places on these are new each time; the stations are those that a test walks. */
async function writeNewcomer(): Promise<void> {
  await walkAsNewcomer(async (station, page) => {
    await lookAs(page, { theme: 'light', size: 'desktop' })
    await holdStill(page)
    keep(newcomerPicture(station), smallPng(await page.screenshot({ fullPage: true })))
  })
}

async function writeSheet(gallery: Gallery): Promise<void> {
  const columns: string[] = []
  for (const names of COLUMNS) {
    const cards: string[] = []
    for (const name of names) {
      const png = await takeCard(gallery, name)
      cards.push(`<img alt="" src="data:image/png;base64,${png.toString('base64')}">`)
    }
    columns.push(`<div>${cards.join('')}</div>`)
  }
  const style = `body { margin: 0; padding: ${MARGIN}px; display: inline-flex; background: #f3f4f6 } img { display: block }`
  const chromium = await startChromium()
  const page = await (await chromium.newContext({ width: 1600, height: 600 })).newPage()
  await page.setContent(`<style>${style}</style>${columns.join('')}`)
  keep(SHEET, smallPng(await page.locator('body').screenshot()))
  await chromium.close()
}

const linked = new Set(linkedPictures())

/**
 * Writes a picture; over one that the documentation shows only where a person could tell the two apart, and says so.
 */
function keep(name: string, png: Buffer): void {
  writeFileSync(join(PICTURES_FOLDER, name), png)
  if (!linked.has(name)) return
  const file = join(LINKED_FOLDER, name)
  if (existsSync(file) && differingPixels(readFileSync(file), png) <= NOISE) return
  writeFileSync(file, png)
  console.error(file)
}

/** Pictures that no page shows any more. */
function removeOthers(): void {
  for (const name of readdirSync(LINKED_FOLDER).filter((file) => file.endsWith('.png') && !linked.has(file))) {
    rmSync(join(LINKED_FOLDER, name))
  }
}

process.exitCode = await main()
