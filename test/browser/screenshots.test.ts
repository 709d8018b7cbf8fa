import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { PNG } from 'pngjs'
import { LINKED_FOLDER, linkedPictures } from '../../scripts/linked-pictures.ts'
import { differingPixels, smallPng } from '../../scripts/small-png.ts'
import { needs } from '../harness/needs.ts'
import { decodeQrImage } from '../harness/qr.ts'
import { type Gallery, openGallery } from './gallery.ts'
import { STATIONS } from './newcomer.ts'
import { newcomerPicture, PICTURES, takePictures } from './pictures.ts'
import { STATES } from './states.ts'

/** A window on a desk, a phone. */
const WIDTHS = { desktop: 1024, '320': 320 } as const
/** In bytes. */
const SMALL = 25_000

// IHDR is the first chunk of a PNG: the width stands after signature, length and name.
const widthOf = (png: Buffer): number => png.readUInt32BE(16)
const meanOf = (sizes: readonly number[]): number => sizes.reduce((sum, size) => sum + size, 0) / sizes.length

describe('pictures of the pages', () => {
  const linked = linkedPictures()
  const newcomers = STATIONS.map(newcomerPicture)

  test('those that the documentation shows are there, few, and no others', () => {
    const names = readdirSync(LINKED_FOLDER).filter((name) => name.endsWith('.png'))
    assert.deepEqual(names.sort(), linked, 'npm run screenshots makes them')
    assert.ok(linked.length <= 60, 'every change of the pages would change all of them')
    const made = new Set(['sign-in.png', ...newcomers, ...PICTURES.map(({ name }) => name)])
    assert.deepEqual(
      linked.filter((name) => !made.has(name)),
      [],
      'npm run screenshots makes no such picture',
    )
  })

  test('they are as wide as the window they show, and small to fetch', () => {
    const pictures = linked.map((name) => ({ name, png: readFileSync(join(LINKED_FOLDER, name)) }))
    for (const { name, png } of pictures) {
      if (newcomers.includes(name)) assert.equal(widthOf(png), WIDTHS.desktop, name)
    }
    assert.ok(meanOf(pictures.map(({ png }) => png.length)) < SMALL)
  })

  test('npm run screenshots makes one of every page in both themes and sizes', () => {
    const names = PICTURES.map(({ name }) => name)
    assert.equal(new Set(names).size, names.length)
    const wanted = STATES.flatMap(({ name }) =>
      ['light', 'dark'].flatMap((theme) => ['320', 'desktop'].map((size) => `${name}-${theme}-${size}.png`)),
    )
    assert.deepEqual(
      wanted.filter((name) => !names.includes(name)),
      [],
    )
  })

  test('a smaller file shows the same picture', () => {
    const picture = new PNG({ width: 40, height: 30 })
    for (let at = 0; at < picture.data.length; at += 4) picture.data.set([at % 251, (at >> 6) % 249, 77, 255], at)
    const big = PNG.sync.write(picture)
    const small = PNG.sync.read(smallPng(big))
    assert.deepEqual([small.width, small.height], [40, 30])
    const most = Math.max(...picture.data.map((value, at) => Math.abs(value - (small.data[at] ?? 0))))
    assert.ok(most <= 16, `a shade is off by ${most}`)
    const two = new PNG({ width: 2, height: 1 })
    two.data.set([1, 2, 3, 255, 250, 251, 252, 255])
    assert.deepEqual(
      PNG.sync.read(smallPng(PNG.sync.write(two))).data,
      two.data,
      'few colours stay exactly what they were',
    )
  })
})

describe('taking them', { skip: needs('chromium-headless-shell') }, () => {
  let gallery: Gallery
  before(async () => {
    gallery = await openGallery()
  })
  after(() => gallery?.close())

  for (const name of ['bind-totp', 'verify-email', 'error-internal']) {
    test(`the same page gives the same picture each time, whatever is new on it: ${name}`, async () => {
      const wanted = PICTURES.filter(({ state, language }) => state.name === name && language === 'en')
      const [first, second] = [await taken(wanted), await taken(wanted)]
      assert.equal(first.length, 4)
      for (const [at, picture] of first.entries()) {
        const differing = differingPixels(picture, second[at] ?? Buffer.alloc(0))
        // Chromium does not paint every rounded corner the same way each time.
        assert.ok(differing <= 40, `${wanted[at]?.name}: ${differing} pixels`)
      }
      for (const [at, picture] of first.entries()) {
        assert.equal(widthOf(picture), WIDTHS[wanted[at]?.size ?? 'desktop'], wanted[at]?.name)
      }
      // One that shows a QR code and its fields is the largest there is.
      assert.ok(meanOf(first.map(({ length }) => length)) < 2 * SMALL)
      if (name === 'bind-totp') assert.match(decodeQrImage(first[0] ?? Buffer.alloc(0)), /secret=JBSWY3DPEHPK3PXP/)
    })
  }

  async function taken(wanted: typeof PICTURES): Promise<Buffer[]> {
    const pictures: Buffer[] = []
    for await (const [, png] of takePictures(gallery, wanted)) pictures.push(png)
    return pictures
  }
})
