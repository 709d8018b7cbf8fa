import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { after, describe, it } from 'node:test'
import { createCertificates } from '../harness/certificates.ts'
import { createBrowser } from '../harness/http-client.ts'
import { available } from '../harness/services.ts'

interface Seen {
  method: string
  url: string
  headers: IncomingMessage['headers']
  body: string
}

const seen: Seen[] = []
const last = (): Seen => seen.at(-1) ?? { method: '', url: '', headers: {}, body: '' }

const site: RequestListener = async (request, response) => {
  let body = ''
  for await (const part of request) body += part
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost')
  seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body })
  const to = searchParams.get('to') ?? '/page'
  if (pathname === '/loop') return void response.writeHead(303, { location: '/loop' }).end()
  if (pathname === '/go')
    return void response.writeHead(Number(searchParams.get('status') ?? 303), { location: to }).end()
  const cookies = ['lax=1; SameSite=Lax', 'strict=1; SameSite=Strict', 'none=1', '__Host-id=1; Secure; Path=/']
  if (pathname === '/cookies')
    response.setHeader('set-cookie', [...cookies, '__Host-bad=1; Path=/', 'other=1; Domain=example.com'])
  const form = '<form method="post" action="/go"><input type="hidden" name="csrf" value="t"><input name="code"></form>'
  response.writeHead(searchParams.has('bad') ? 401 : 200, { 'content-type': 'text/html; charset=utf-8' })
  response.end(
    `<main data-page="page" data-error="${searchParams.has('bad') ? 'code' : ''}"><h1>Åsa</h1>${form}</main>`,
  )
}

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  after(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('the browser without scripts', async () => {
  const origin = await serve(site)
  const elsewhere = await serve(site)

  it('follows redirects on its own site and stops at others', async () => {
    const inside = await createBrowser().get(`${origin}/go?to=/page%3Fbad`)
    assert.deepEqual([inside.status, inside.page, inside.error], [401, 'page', 'code'])
    assert.deepEqual(inside.visited, [`${origin}/go?to=/page%3Fbad`, `${origin}/page?bad`])
    assert.equal(inside.text('h1'), 'Åsa')
    const outside = await createBrowser().get(`${origin}/go?to=${elsewhere}/callback?code=1`)
    assert.deepEqual([outside.status, outside.location], [303, `${elsewhere}/callback?code=1`])
    const both = await createBrowser({ follow: [elsewhere] }).get(`${origin}/go?to=${elsewhere}/page`)
    assert.deepEqual([both.status, both.url], [200, `${elsewhere}/page`])
    const stopped = await createBrowser().get(`${origin}/go`, { redirects: 'stop' })
    assert.equal(stopped.location, `${origin}/page`)
    await assert.rejects(createBrowser().get(`${origin}/loop`), /redirects without end/)
  })

  it('sends a form with its hidden fields, Origin and Fetch Metadata, and goes on with GET', async () => {
    const browser = createBrowser({ headers: { 'Accept-Language': 'sv' } })
    const page = await browser.get(`${origin}/page`)
    assert.equal(last().headers['sec-fetch-site'], 'none')
    assert.equal(last().headers['accept-language'], 'sv')
    await browser.submit(page, { code: '123456' })
    const post = seen.at(-2)
    assert.deepEqual([post?.method, post?.url, post?.body], ['POST', '/go', 'csrf=t&code=123456'])
    assert.equal(post?.headers.origin, origin)
    assert.equal(post?.headers['sec-fetch-site'], 'same-origin')
    assert.deepEqual([last().method, last().body, last().headers.origin], ['GET', '', undefined])
  })

  it('says so when a request comes from another site, and leaves the cookies at home that must stay there', async () => {
    const browser = createBrowser({ origin })
    await browser.get(`${origin}/cookies`)
    const evil = 'https://evil.example/page'
    await browser.post(`${origin}/page`, { a: '1' }, { from: evil })
    assert.deepEqual([last().headers.origin, last().headers['sec-fetch-site']], ['https://evil.example', 'cross-site'])
    assert.doesNotMatch(last().headers.cookie ?? '', /lax|strict/)
    await browser.get(`${origin}/page`, { from: evil })
    assert.match(last().headers.cookie ?? '', /lax=1/)
    assert.doesNotMatch(last().headers.cookie ?? '', /strict/)
    await browser.get(`${origin}/page`)
    assert.match(last().headers.cookie ?? '', /strict=1/)
  })

  it('drops cookies that break the rules of their prefix or domain', async () => {
    const browser = createBrowser()
    const { cookies } = await browser.get(`${origin}/cookies`)
    assert.deepEqual(
      Object.keys(cookies).filter((name) => /bad|other/.test(name)),
      [],
    )
    assert.equal(cookies.none, '1')
  })

  it('gives its cookies to a copy, and forgets those that are named', async () => {
    const browser = createBrowser()
    await browser.get(`${origin}/cookies`)
    const thief = await browser.copy()
    await browser.clear('lax')
    assert.equal((await browser.cookies(origin)).lax, undefined)
    assert.equal((await browser.cookies(origin)).strict, '1')
    assert.equal((await thief.cookies(origin)).lax, '1')
    await thief.clear()
    assert.deepEqual(await thief.cookies(origin), {})
  })

  it('speaks as a proxy in front of a public name, and with any header and body', async () => {
    const port = Number(new URL(origin).port)
    const browser = createBrowser({ origin: 'https://id.example.com', proxy: { port, client: '198.51.100.7' } })
    const page = await browser.get('https://id.example.com/cookies')
    assert.equal(page.cookies['__Host-id'], '1')
    const { host, 'x-forwarded-for': client, 'x-forwarded-proto': scheme } = last().headers
    assert.deepEqual([host, client, scheme], ['id.example.com', '198.51.100.7', 'https'])
    const raw = Buffer.from([0, 255, 1])
    await browser.post('https://id.example.com/page', raw, {
      headers: { Host: 'evil.example', 'content-type': 'application/octet-stream', 'user-agent': undefined },
    })
    assert.equal(last().headers.host, 'evil.example')
    assert.equal(last().headers['content-type'], 'application/octet-stream')
    assert.equal(last().headers['user-agent'], undefined)
    assert.equal(last().headers['content-length'], '3')
    await browser.send('OPTIONS', 'https://id.example.com/page', undefined)
    assert.equal(last().method, 'OPTIONS')
  })
})

describe('certificates of a test run', { skip: available('openssl').path === undefined && 'needs openssl' }, () => {
  it('are trusted for loopback names by whoever trusts their authority, and by nobody else', async () => {
    const certificates = createCertificates()
    const { certificate, key } = certificates.files
    const server = createSecureServer({ cert: readFileSync(certificate), key: readFileSync(key) }, site)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    try {
      for (const name of ['localhost', '127.0.0.1', 'id.localhost']) {
        const trusting = createBrowser({ ca: certificates.ca })
        const answer = await trusting.get(`https://${name}:${port}/cookies`)
        assert.deepEqual([name, answer.status, answer.cookies['__Host-id']], [name, 200, '1'])
      }
      await assert.rejects(createBrowser().get(`https://localhost:${port}/`), /self-signed|unable to verify|issuer/)
    } finally {
      server.close()
      certificates.remove()
    }
  })
})
