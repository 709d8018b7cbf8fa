import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { PNG } from 'pngjs'
import { differingPixels, smallPng } from '../../scripts/small-png.ts'
import { needs } from '../harness/needs.ts'
import { decodeQrImage } from '../harness/qr.ts'
import { type Gallery, openGallery } from './gallery.ts'
import { STATIONS } from './newcomer.ts'
import { newcomerPicture, PICTURES, takePictures } from './pictures.ts'

const FOLDER = 'docs/images'

describe('pictures of the pages', () => {
  test('there is one of every page in both themes and sizes, and no other', () => {
    const names = readdirSync(FOLDER).filter((name) => name.endsWith('.png'))
    const wanted = ['sign-in.png', ...STATIONS.map(newcomerPicture), ...PICTURES.map(({ name }) => name)]
    assert.deepEqual(names.sort(), wanted.sort(), 'npm run screenshots makes them')
  })

  test('they are as wide as the window they show, and small to fetch', () => {
    let bytes = 0
    for (const { name, size } of PICTURES) {
      const file = `${FOLDER}/${name}`
      if (!existsSync(file)) continue
      bytes += statSync(file).size
      // IHDR is the first chunk: the width stands after signature, length and name.
      assert.equal(readFileSync(file).readUInt32BE(16), size === '320' ? 320 : 1024, name)
    }
    assert.ok(bytes < PICTURES.length * 25_000, `${bytes} bytes`)
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
      if (name === 'bind-totp') assert.match(decodeQrImage(first[0] ?? Buffer.alloc(0)), /secret=JBSWY3DPEHPK3PXP/)
    })
  }

  async function taken(wanted: typeof PICTURES): Promise<Buffer[]> {
    const pictures: Buffer[] = []
    for await (const [, png] of takePictures(gallery, wanted)) pictures.push(png)
    return pictures
  }
})
