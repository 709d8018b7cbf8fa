import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import QrCode from 'qrcode'
import { axe, type Chromium, decodeQr, overflow, startChromium, violationsOf } from '../harness/browser.ts'
import { needs } from '../harness/needs.ts'
import { decodeQrUrl } from '../harness/qr.ts'

const TEXT = 'otpauth://totp/Example:asa?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Example'
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"

describe('the real browser of the tests', { skip: needs('chromium-headless-shell') }, () => {
  let chromium: Chromium
  let origin: string
  const pages = new Map<string, string>()
  const server = createServer((request, response) => {
    const html = pages.get(request.url ?? '')
    const headers = { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': POLICY }
    response.writeHead(html === undefined ? 404 : 200, headers).end(html)
  })

  const show = (path: string, main: string, style = ''): string => {
    const head = `<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Page</title><style>${style}</style>`
    pages.set(
      path,
      `<!doctype html><html lang="en"><head>${head}</head><body><main><h1>Page</h1>${main}</main></body></html>`,
    )
    return `${origin}${path}`
  }

  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    chromium = await startChromium()
  })

  after(async () => {
    await chromium?.close()
    server.closeAllConnections()
    server.close()
  })

  it('judges accessibility under our own policy, with and without scripts', async () => {
    const bad = show('/bad', '<input name="code"><p style="color:#ccc;background:#fff">pale</p>')
    const good = show('/good', '<label>Code <input name="code"></label>')
    for (const javaScript of ['on', 'off'] as const) {
      const context = await chromium.newContext({ javaScript })
      const page = await context.newPage()
      await page.goto(bad)
      const found = violationsOf(await axe(page))
      assert.match(found.join('\n'), /^label \(critical\): input$/m)
      assert.match(found.join('\n'), /^color-contrast \(serious\)/m)
      await page.goto(good)
      assert.deepEqual(violationsOf(await axe(page)), [])
      await context.close()
    }
  })

  it('reads a QR code from the screen as a phone does', async () => {
    const url = await QrCode.toDataURL(TEXT, { margin: 4, scale: 5 })
    assert.equal(decodeQrUrl(url), TEXT)
    const context = await chromium.newContext({ width: 360, theme: 'dark', javaScript: 'off' })
    const page = await context.newPage()
    await page.goto(show('/qr', `<img alt="QR code" src="${url}">`, 'body { background: #111 }'))
    assert.equal(await decodeQr(page), TEXT)
    await page.goto(show('/faint', `<img alt="QR code" src="${url}" style="filter: brightness(0)">`))
    await assert.rejects(decodeQr(page), /no readable QR code/)
    await context.close()
  })

  it('finds what is too wide for the window and what hides its own text', async () => {
    const context = await chromium.newContext({ width: 320 })
    const page = await context.newPage()
    await page.goto(show('/wide', '<p id="wide" style="width:400px">wide</p>'))
    assert.match((await overflow(page)).join('\n'), /^p#wide "wide": \d+ px beyond the window$/m)
    const cut = 'width:80px;white-space:nowrap;overflow:hidden'
    await page.goto(show('/cut', `<p class="cut" style="${cut}">a text that is longer than its box</p>`))
    assert.match((await overflow(page)).join('\n'), /^p\.cut .* px of it are hidden$/m)
    const hidden = 'position:absolute;width:1px;height:1px;overflow:hidden'
    await page.goto(show('/fits', `<p>short</p><span style="${hidden}">for screen readers</span>`))
    assert.deepEqual(await overflow(page), [])
    await context.close()
  })
})
