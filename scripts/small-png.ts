import { crc32, deflateSync } from 'node:zlib'
import { PNG } from 'pngjs'

const MAX_COLOURS = 256
const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])

/**
 * The same picture with a palette, which is what pages need: flat areas and a few shades around letters. More than 256
 * colours are brought down by leaving out their lowest bits; of those that then look alike the most frequent one stands
 * for all.
 */
export function smallPng(png: Buffer): Buffer {
  const { width, height, data } = PNG.sync.read(png)
  const pixels = new Uint32Array(width * height)
  for (let at = 0; at < pixels.length; at++) pixels[at] = data.readUInt32BE(at * 4) >>> 8
  const { palette, indexOf } = paletteOf(pixels)
  // Each line starts with its filter: none, which suits a palette best.
  const lines = Buffer.alloc(height * (width + 1))
  for (let at = 0; at < pixels.length; at++) {
    const line = Math.floor(at / width)
    lines[line * (width + 1) + 1 + (at % width)] = indexOf(pixels[at] ?? 0)
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 3, 0, 0, 0], 8)
  const colours = Buffer.from(palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 0xff, colour & 0xff]))
  const body = deflateSync(lines, { level: 9, memLevel: 9 })
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('PLTE', colours),
    chunk('IDAT', body),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

/** How many pixels of two pictures differ; Infinity when their sizes do. */
export function differingPixels(one: Buffer, other: Buffer): number {
  const [left, right] = [PNG.sync.read(one), PNG.sync.read(other)]
  if (left.width !== right.width || left.height !== right.height) return Number.POSITIVE_INFINITY
  let count = 0
  for (let at = 0; at < left.data.length; at += 4) {
    if (left.data.readUInt32BE(at) !== right.data.readUInt32BE(at)) count++
  }
  return count
}

function paletteOf(pixels: Uint32Array): { palette: number[]; indexOf(colour: number): number } {
  const counts = new Map<number, number>()
  for (const colour of pixels) counts.set(colour, (counts.get(colour) ?? 0) + 1)
  const byFrequency = [...counts].sort(([a, often], [b, rarely]) => rarely - often || a - b).map(([colour]) => colour)
  for (let dropped = 0; ; dropped++) {
    const bits = (0xff << dropped) & 0xff
    const mask = (bits << 16) | (bits << 8) | bits
    const groups = new Map<number, number>()
    const palette: number[] = []
    for (const colour of byFrequency) {
      if (groups.has(colour & mask)) continue
      groups.set(colour & mask, palette.length)
      palette.push(colour)
    }
    if (palette.length <= MAX_COLOURS) return { palette, indexOf: (colour) => groups.get(colour & mask) ?? 0 }
  }
}

function chunk(type: string, content: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), content])
  const frame = Buffer.alloc(8)
  frame.writeUInt32BE(content.length, 0)
  frame.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)])
}
