import jsQr from 'jsqr'
import { PNG } from 'pngjs'

/** The text of a QR code in a PNG. Throws when there is none that can be read. */
export function decodeQrImage(png: Buffer): string {
  const { data, width, height } = PNG.sync.read(png)
  const code = jsQr.default(new Uint8ClampedArray(data), width, height)
  if (code === null) throw new Error(`no readable QR code in ${width} × ${height} pixels`)
  return code.data
}

/** The same for the `src` of an image that carries its PNG in itself. */
export function decodeQrUrl(url: string): string {
  const [, data] = /^data:image\/png;base64,([\w+/=]+)$/.exec(url) ?? []
  if (data === undefined) throw new Error(`not an image in a data URL: ${url.slice(0, 40)}`)
  return decodeQrImage(Buffer.from(data, 'base64'))
}
