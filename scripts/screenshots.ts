import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Gallery, openGallery } from '../test/browser/gallery.ts'
import { lookAs } from '../test/browser/look.ts'
import { STATIONS, walkAsNewcomer } from '../test/browser/newcomer.ts'
import { holdStill, MARGIN, newcomerPicture, PICTURES, takeCard, takePictures } from '../test/browser/pictures.ts'
import { startChromium } from '../test/harness/browser.ts'
import { differingPixels, smallPng } from './small-png.ts'

/** Pictures of every page, made from a real gateway: `npm run screenshots [-- PART-OF-A-NAME…]`. */
const FOLDER = 'docs/images'
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
  mkdirSync(FOLDER, { recursive: true })
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
  const bytes = readdirSync(FOLDER).reduce((sum, name) => sum + statSync(join(FOLDER, name)).size, 0)
  console.log(`${readdirSync(FOLDER).length} pictures, ${(bytes / 1_000_000).toFixed(1)} MB, in ${FOLDER}`)
  return 0
}

async function writePictures(gallery: Gallery, parts: string[]): Promise<void> {
  const wanted = PICTURES.filter(({ name }) => parts.length === 0 || parts.some((part) => name.includes(part)))
  const visits = Map.groupBy(wanted, ({ state, language }) => `${state.name} ${language}`)
  for (const pictures of visits.values()) {
    for await (const [{ name }, png] of takePictures(gallery, pictures)) {
      if (keep(name, png) === 'changed') console.error(name)
    }
  }
}

/** Times and places on these are new each time; the stations are those that a test walks. */
async function writeNewcomer(): Promise<void> {
  await walkAsNewcomer(async (station, page) => {
    await lookAs(page, { theme: 'light', size: 'desktop' })
    await holdStill(page)
    const name = newcomerPicture(station)
    if (keep(name, smallPng(await page.screenshot({ fullPage: true }))) === 'changed') console.error(name)
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

/** Writes a picture that a person could tell from the one that is there. */
function keep(name: string, png: Buffer): 'changed' | 'same' {
  const file = join(FOLDER, name)
  if (existsSync(file) && differingPixels(readFileSync(file), png) <= NOISE) return 'same'
  writeFileSync(file, png)
  return 'changed'
}

/** Pictures of pages that are no more. */
function removeOthers(): void {
  const names = new Set([SHEET, ...STATIONS.map(newcomerPicture), ...PICTURES.map(({ name }) => name)])
  for (const name of readdirSync(FOLDER).filter((file) => file.endsWith('.png') && !names.has(file))) {
    rmSync(join(FOLDER, name))
  }
}

process.exitCode = await main()
