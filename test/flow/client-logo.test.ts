import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { assertPage, onEmbeddedStores } from './person-site.ts'

const PICTURE = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'

onEmbeddedStores("an application's own logo", (testSite) => {
  const folder = mkdtempSync(join(tmpdir(), 'stepgate-logo-'))
  after(() => rmSync(folder, { recursive: true }))
  const logo = join(folder, 'app.svg')
  writeFileSync(logo, PICTURE)
  const site = testSite({
    client: { client_name: 'Paint Shop', logo, logo_uri: 'https://cdn.example.net/logo.png' },
  })

  test('stands on its sign-in pages, from our own host, where it runs nothing (WE-6, WE-14)', async () => {
    const browser = site.browser()
    const page = assertPage(await site.enter(browser, await site.person()), 'bind-totp')
    const image = page.find('img.client-logo')?.attributes
    assert.equal(image?.alt, 'Paint Shop')
    assert.match(`${image?.src}`, /^\/assets\//)
    assert.ok(!page.body.includes('cdn.example.net'))
    const picture = await browser.get(`${site.gateway.issuer}${image?.src}`)
    assert.equal(picture.body, PICTURE)
    assert.equal(picture.headers['content-type'], 'image/svg+xml')
    assert.match(`${picture.headers['content-security-policy']}`, /default-src 'none'/)
    assert.match(`${picture.headers['content-security-policy']}`, /script-src 'self'/)
    const own = await browser.get(`${site.gateway.issuer}/account`)
    assert.equal(own.find('img.client-logo'), undefined, "on nobody else's")
  })
})
