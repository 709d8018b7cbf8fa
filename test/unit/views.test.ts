import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import fc from 'fast-check'
import { ConfigError } from '../../src/kernel/errors.ts'
import { accentFor, contrastOf, GROUND } from '../../src/views/color.ts'
import { createPages, type Page, type PageError } from '../../src/views/pages.ts'
import { createRenderer, viewNames } from '../../src/views/renderer.ts'
import { createTexts } from '../../src/views/texts.ts'
import { RUNS } from '../harness/length.ts'

const texts = createTexts({ languages: ['en', 'sv'] })
const renderer = createRenderer({ texts })
const branding = { name: 'Example', logo: undefined, color: '#2457d6' }
const pages = createPages({ branding }, { texts, renderer })
const form = { action: '/interaction/uid', csrf: 'csrf-value', step: 'step-value' }
const client = { name: 'Shop', uri: 'https://shop.example/' }
const qr = 'data:image/png;base64,AAAA'

const samples: Record<string, Omit<Page, 'locale'>> = {
  login: { name: 'login', view: 'pages/login', form, client, data: { username: 'anna' } },
  choose: {
    name: 'choose',
    view: 'pages/choose',
    form,
    client,
    data: { methods: [{ type: 'email', detail: 'a•••@e•••.test' }, { type: 'totp' }] },
  },
  'bind-totp': {
    name: 'bind-totp',
    view: 'totp/bind',
    form,
    client,
    data: { qr, secret: 'JBSW Y3DP', digits: 6, remember: 30, choose: true, label: true },
  },
  'verify-totp': {
    name: 'verify-totp',
    view: 'totp/verify',
    form,
    client,
    data: { digits: 8, remember: 0, choose: false },
  },
  'verify-email': {
    name: 'verify-email',
    view: 'email/verify',
    form,
    client,
    notice: 'confirm-address-first',
    data: {
      address: 'a•••@e•••.test',
      digits: 6,
      remember: 30,
      choose: true,
      resendIn: 58_000,
      expiresIn: 300_000,
      sent: true,
    },
  },
  activate: { name: 'activate', view: 'pages/activate', form, data: { username: 'anna', least: 8 } },
  reset: { name: 'reset', view: 'pages/reset', form, data: { username: 'anna', least: 15 } },
  'password-set': { name: 'password-set', view: 'pages/password-set', data: {} },
  forgot: { name: 'forgot', view: 'pages/forgot', form, data: { username: 'anna' } },
  consent: {
    name: 'consent',
    view: 'pages/consent',
    form,
    client,
    data: { scopes: ['openid', 'email', 'constructor'] },
  },
  logout: {
    name: 'logout',
    view: 'pages/logout',
    data: { action: '/session/end/confirm', xsrf: 'x-value', client: 'Shop' },
  },
  'signed-out': { name: 'signed-out', view: 'pages/signed-out', data: {} },
  error: {
    name: 'error',
    view: 'pages/error',
    error: { code: 'internal' },
    data: { requestId: 'r-1', link: { href: '/again', key: 'start-again' }, detailKey: 'cookies' },
  },
}

interface Tag {
  name: string
  attributes: Map<string, string>
}

/** Start tags of a document of ours: attributes are quoted or bare words. */
function tagsOf(html: string): Tag[] {
  return [...html.matchAll(/<([a-z][a-z0-9]*)((?:\s+[^\s=>"']+(?:="[^"]*")?)*)\s*\/?>/gi)].map(
    ([, name = '', rest = '']) => ({
      name,
      attributes: new Map(
        [...rest.matchAll(/([^\s=]+)(?:="([^"]*)")?/g)].map(([, key = '', value = '']) => [key, value]),
      ),
    }),
  )
}

function render(name: string, changes: Partial<Page> = {}): string {
  const sample = samples[name]
  if (sample === undefined) throw new Error(`no sample ${name}`)
  return pages.render({ locale: 'en', ...sample, ...changes })
}

function fieldNames(html: string): string[] {
  const named = tagsOf(html).filter(({ name, attributes }) => name === 'input' && attributes.has('name'))
  return named.map(({ attributes }) => attributes.get('name') ?? '')
}

function buttonsOf(html: string): string[] {
  return tagsOf(html)
    .filter(({ name, attributes }) => name === 'button' && attributes.get('type') === 'submit')
    .map(({ attributes }) =>
      attributes.has('name') ? `${attributes.get('name')}=${attributes.get('value')}` : 'submit',
    )
}

function field(html: string, name: string): Tag['attributes'] {
  const tag = tagsOf(html).find((candidate) => candidate.attributes.get('name') === name)
  assert.ok(tag, `there is no ${name}`)
  return tag.attributes
}

function textOf(html: string): string {
  const entities: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', '#39': "'" }
  const plain = html.replace(/<[^>]+>/g, '')
  return plain.replace(/&(lt|gt|amp|quot|#39);/g, (_, entity) => entities[entity] ?? '').replace(/\s+/g, ' ')
}

describe('the public page', () => {
  const expected: Record<string, { fields: string[]; buttons: string[] }> = {
    login: { fields: ['csrf', 'step', 'username', 'password'], buttons: ['submit', 'action=cancel'] },
    choose: { fields: ['csrf', 'step'], buttons: ['method=email', 'method=totp', 'action=cancel'] },
    'bind-totp': {
      fields: ['csrf', 'step', 'code', 'label', 'remember'],
      buttons: ['submit', 'action=choose', 'action=cancel'],
    },
    'verify-totp': { fields: ['csrf', 'step', 'code'], buttons: ['submit', 'action=cancel'] },
    'verify-email': {
      fields: ['csrf', 'step', 'code', 'remember'],
      buttons: ['submit', 'action=resend', 'action=choose', 'action=cancel'],
    },
    activate: { fields: ['csrf', 'step', 'username', 'password', 'passwordAgain'], buttons: ['submit'] },
    reset: { fields: ['csrf', 'step', 'username', 'password', 'passwordAgain'], buttons: ['submit'] },
    'password-set': { fields: [], buttons: [] },
    forgot: { fields: ['csrf', 'step', 'username'], buttons: ['submit'] },
    consent: { fields: ['csrf', 'step'], buttons: ['action=allow', 'action=cancel'] },
    logout: { fields: ['xsrf', 'csrf'], buttons: ['logout=yes', 'submit'] },
    'signed-out': { fields: [], buttons: [] },
    error: { fields: [], buttons: [] },
  }
  for (const [name, { fields, buttons }] of Object.entries(expected)) {
    test(`${name}: named, one form at most, its fields, the primary button first`, () => {
      const html = render(name)
      const tags = tagsOf(html)
      const [main, ...others] = tags.filter((tag) => tag.name === 'main')
      assert.equal(main?.attributes.get('data-page'), name)
      assert.deepEqual(others, [])
      assert.deepEqual(fieldNames(html), fields)
      assert.deepEqual(buttonsOf(html), buttons)
      const forms = tags.filter((tag) => tag.name === 'form')
      assert.deepEqual(
        forms.map(({ attributes }) => [attributes.get('method'), attributes.get('action')]),
        fields.length === 0 ? [] : [['post', name === 'logout' ? '/session/end/confirm' : form.action]],
      )
    })
  }

  test('the form carries the token and the step', () => {
    const html = render('verify-totp')
    assert.equal(field(html, 'csrf').get('value'), form.csrf)
    assert.equal(field(html, 'step').get('value'), form.step)
    assert.equal(field(render('logout'), 'csrf').get('value'), 'x-value')
  })

  test('a way out is never held up by an empty field', () => {
    for (const name of ['login', 'bind-totp', 'verify-totp', 'verify-email']) {
      for (const { attributes } of tagsOf(render(name)).filter((tag) => tag.attributes.get('name') === 'action')) {
        assert.ok(attributes.has('formnovalidate'), `${name} ${attributes.get('value')}`)
      }
    }
  })

  test('PW-11: fields say what they are for, and nothing stops a paste', () => {
    const login = render('login')
    assert.equal(field(login, 'username').get('autocomplete'), 'username')
    assert.equal(field(login, 'password').get('autocomplete'), 'current-password')
    for (const name of ['password', 'passwordAgain'])
      assert.equal(field(render('reset'), name).get('autocomplete'), 'new-password')
    const code = field(render('verify-email'), 'code')
    assert.equal(code.get('autocomplete'), 'one-time-code')
    assert.equal(code.get('inputmode'), 'numeric')
    const pattern = new RegExp(`^(?:${code.get('pattern')})$`, 'v')
    for (const typed of ['123456', '123 456', ' 123456 ']) assert.match(typed, pattern)
  })

  test('E1: without days there is no box, and with days it is off', () => {
    assert.ok(!fieldNames(render('verify-totp')).includes('remember'))
    const box = field(render('verify-email'), 'remember')
    assert.equal(box.get('type'), 'checkbox')
    assert.ok(!box.has('checked'))
    assert.match(textOf(render('verify-email')), /Do not ask again in this browser for 30 days/)
  })

  test('D1: the key to bind an app is there as a picture and as text', () => {
    const html = render('bind-totp')
    const picture = tagsOf(html).find((tag) => tag.name === 'img')
    assert.equal(picture?.attributes.get('src'), qr)
    assert.match(picture?.attributes.get('alt') ?? '', /^QR/)
    assert.match(html, /data-secret[^>]*>JBSW Y3DP</)
  })

  test('C1, C4: the address is shown as given, and the wait in milliseconds of the server', () => {
    const html = render('verify-email')
    assert.match(textOf(html), /We sent a 6-digit code to a•••@e•••\.test\. The code expires in 5 minutes\./)
    assert.match(html, /data-wait="58000"/)
    assert.match(textOf(html), /after 58 seconds/)
    const { resendIn: _, ...data } = samples['verify-email']?.data ?? {}
    assert.ok(!buttonsOf(render('verify-email', { data })).includes('action=resend'))
  })

  test('C2, C6: where no code was sent, none is asked for', () => {
    const data = { remember: 30, choose: true, sent: false, resendIn: 0, expiresIn: 0 }
    const down = render('verify-email', { data, error: { code: 'mail', retryAfter: 30_000 } })
    assert.deepEqual(buttonsOf(down), ['action=resend', 'action=choose', 'action=cancel'])
    assert.ok(!fieldNames(down).includes('code'))
    const unsent = render('verify-email', { data: { ...data, digits: undefined, address: 'a•••@e•••.test' } })
    assert.doesNotMatch(textOf(unsent), /sent|expires/)
    const missing = render('verify-email', { data: { ...data, choose: false }, error: { code: 'no-address' } })
    assert.deepEqual(buttonsOf(missing), ['action=cancel'])
    assert.match(textOf(missing), /Ask your administrator/)
  })

  test('a ceremony that could not begin offers the ways out and nothing to fill in', () => {
    for (const name of ['bind-totp', 'verify-totp', 'verify-email']) {
      const data = { remember: 30, choose: true, label: true, sent: false, resendIn: undefined, expiresIn: 0 }
      const html = render(name, { data, error: { code: 'locked' } })
      assert.deepEqual(buttonsOf(html), ['action=choose', 'action=cancel'], name)
      assert.deepEqual(fieldNames(html), ['csrf', 'step'], name)
    }
  })

  test('LO-1: signing out is asked, unless the caller says that nothing is left to ask', () => {
    const formOf = (data: object): Tag | undefined =>
      tagsOf(render('logout', { data: { ...samples.logout?.data, ...data } })).find(({ name }) => name === 'form')
    assert.ok(!formOf({})?.attributes.has('data-submits'))
    assert.ok(!formOf({ asked: false })?.attributes.has('data-submits'))
    assert.equal(formOf({ asked: true })?.attributes.get('data-submits'), 'logout')
  })

  test('who signed out is led back to where they came from, over https alone', () => {
    const links = (uri: string): Tag[] =>
      tagsOf(render('signed-out', { client: { name: 'Shop', uri } })).filter((tag) => tag.name === 'a')
    assert.equal(links('https://shop.example/')[0]?.attributes.get('href'), 'https://shop.example/')
    assert.deepEqual(links('javascript:alert(1)'), [])
  })

  test('J3: an expired page says what to do and links there', () => {
    const html = render('error', { error: { code: 'expired' } })
    assert.ok(tagsOf(html).some((tag) => tag.name === 'a' && tag.attributes.get('href') === '/again'))
    assert.match(textOf(html), /This page has expired/)
    assert.match(textOf(render('error', { data: {} })), /Go back to the application/)
  })
})

describe('problems', () => {
  const codes: PageError['code'][] = [
    ...([
      'credentials',
      'code',
      'expired',
      'throttled',
      'locked',
      'mail',
      'no-address',
      'clock',
      'unavailable',
    ] as const),
    ...(['csrf', 'bad-request', 'not-found', 'method-not-allowed', 'too-large', 'protocol', 'internal'] as const),
  ]

  test('every problem has words on every page, in every language, with and without a wait', () => {
    for (const code of codes) {
      for (const locale of ['en', 'sv']) {
        for (const name of ['login', 'choose', 'bind-totp', 'verify-totp', 'verify-email', 'error']) {
          for (const wait of [{}, { retryAfter: 61_000 }]) {
            const html = render(name, { locale, error: { code, ...wait } })
            assert.match(html, new RegExp(`<main data-page="${name}" data-error="${code}">`))
            assert.match(html, /role="alert"/)
          }
        }
      }
    }
  })

  test('the message is announced, can take the focus, and the field points at it', () => {
    const html = render('login', { error: { code: 'credentials' } })
    const alert = tagsOf(html).find((tag) => tag.attributes.get('role') === 'alert')
    assert.equal(alert?.attributes.get('tabindex'), '-1')
    assert.equal(field(html, 'password').get('aria-describedby'), alert?.attributes.get('id'))
    assert.equal(field(html, 'password').get('aria-invalid'), 'true')
    assert.match(html, /<title>Error: Sign in – Example<\/title>/)
    assert.ok(!field(render('login'), 'password').has('aria-invalid'))
  })

  test('a wait is told, rounded up', () => {
    assert.match(textOf(render('login', { error: { code: 'throttled', retryAfter: 90_000 } })), /in 2 minutes/)
  })

  test('D7: the difference of the clocks is told', () => {
    assert.match(textOf(render('bind-totp', { error: { code: 'clock', minutes: 7 } })), /about 7 minutes/)
  })
})

describe('WE-6: nothing needs inline script or style', () => {
  for (const name of Object.keys(samples)) {
    test(name, () => {
      const html = render(name, { error: { code: 'throttled', retryAfter: 1 } })
      for (const { name: tag, attributes } of tagsOf(html)) {
        assert.notEqual(tag, 'style')
        for (const key of attributes.keys()) assert.doesNotMatch(key, /^(style|on.*)$/)
        for (const key of ['href', 'src', 'action']) assert.doesNotMatch(attributes.get(key) ?? '', /^\s*javascript:/i)
      }
      assert.deepEqual(html.match(/<script[^>]*>[^<]*<\/script>/g)?.length, 1)
      assert.match(html, /<script src="\/assets\/stepgate\.[0-9a-f]{16}\.js" defer><\/script>/)
    })
  }

  test('WE-14: what a page loads is ours', () => {
    const html = render('login', { client: { name: 'Shop', logo: 'https://cdn.example/logo.png' } })
    const loads = tagsOf(html).filter(({ name }) => ['img', 'script', 'link'].includes(name))
    const addresses = loads.map(({ attributes }) => attributes.get('src') ?? attributes.get('href') ?? '')
    assert.equal(addresses.length, 3)
    for (const address of addresses) assert.ok(pages.assets.has(address), address)
    for (const { body } of pages.assets.values())
      assert.doesNotMatch(`${body}`, /url\(|@import|https?:\/\/(?!www\.w3\.org)/)
  })
})

describe('WE-9: whatever a name holds, it is text', () => {
  const hostile = [
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus='alert(1)",
    '{{name}} {{x}} $t(login.title)',
    '<%= 1 %><%- include("x") %>',
    '$& $1 \u{F0000}0\u{F0000}',
    '&lt;b&gt;',
    'x'.repeat(500),
    'שלום עולם',
    '#{1+1} [[1]]',
  ]

  function withEverywhere(value: string): Page[] {
    const strange = { ...client, name: value }
    return [
      { ...samples.login, client: strange, data: { username: value } },
      { ...samples.choose, client: strange, data: { methods: [{ type: 'email', detail: value }] } },
      { ...samples['bind-totp'], data: { ...samples['bind-totp']?.data, qr: value, secret: value } },
      { ...samples['verify-email'], data: { ...samples['verify-email']?.data, address: value } },
      { ...samples.consent, client: strange, data: { scopes: [value] } },
      { ...samples.logout, data: { action: value, xsrf: value, client: value } },
      { ...samples.error, data: { requestId: value, link: { href: value, key: 'continue' } } },
    ].map((page) => ({ locale: 'en', ...page }) as Page)
  }

  const shapeOf = (html: string): string =>
    JSON.stringify(tagsOf(html).map(({ name, attributes }) => [name, [...attributes.keys()]]))

  for (const value of hostile) {
    test(value.slice(0, 30), () => {
      const harmless = withEverywhere('plain').map((page) => shapeOf(pages.render(page)))
      for (const [index, page] of withEverywhere(value).entries()) {
        const html = pages.render(page)
        assert.equal(shapeOf(html), harmless[index], `the elements of ${page.name} changed`)
        assert.ok(!/[<>"']/.test(value) || !html.includes(value), page.name)
      }
      const [login] = withEverywhere(value)
      assert.ok(login)
      const html = pages.render(login)
      assert.ok(textOf(html).includes(`to continue to ${value}`))
    })
  }

  test('any text at all', () => {
    const markup = fc.oneof(
      fc.constantFrom(...`<>"'&=/%-{}$ a`),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    )
    const harmless = withEverywhere('plain').map((page) => shapeOf(pages.render(page)))
    fc.assert(
      fc.property(fc.string({ unit: markup, minLength: 1, maxLength: 40 }), (value) => {
        fc.pre(value.trim() !== '')
        assert.deepEqual(
          withEverywhere(value).map((page) => shapeOf(pages.render(page))),
          harmless,
        )
      }),
      // Each of them draws every page.
      { numRuns: RUNS.numRuns / 10 },
    )
  })

  test('a name cannot turn the reading direction of the sentence it stands in', () => {
    const html = render('login', { client: { name: 'evil\u202egnp.exe\u2066\u2069\u0000' } })
    assert.match(html, /<bdi>evilgnp\.exe<\/bdi>/)
  })

  test('only an https address of a client becomes a link', () => {
    const links = (uri: string): Tag[] =>
      tagsOf(render('consent', { client: { name: 'Shop', uri } })).filter((tag) => tag.name === 'a')
    for (const uri of ['javascript:alert(1)', 'http://shop.example', '//shop.example', 'data:text/html,x', '']) {
      assert.deepEqual(links(uri), [], uri)
    }
    const [link] = links('https://shop.example/a?b="c"')
    assert.equal(link?.attributes.get('href'), 'https://shop.example/a?b=%22c%22')
    assert.match(link?.attributes.get('rel') ?? '', /noopener/)
  })

  test('no template lets a value through unescaped: raw output is for parts of ours', () => {
    for (const view of viewNames().filter((name) => !name.startsWith('mail/'))) {
      const template = readFileSync(new URL(`../../views/${view}.ejs`, import.meta.url), 'utf8')
      for (const [, expression = ''] of template.matchAll(/<%-(.*?)%>/gs)) {
        assert.match(expression, /^ (include|rich)\(/, `${view}: ${expression}`)
      }
    }
  })
})

describe('language', () => {
  test('the document says its language and speaks it', () => {
    const html = render('login', { locale: 'sv' })
    assert.match(html, /<html lang="sv">/)
    assert.match(textOf(html), /Logga in för att fortsätta till Shop/)
  })

  test('a view that does not exist is a fault', () => {
    assert.throws(() => renderer.render('../locales/en', 'en', {}), /there is no view/)
  })
})

describe('assets', () => {
  const folder = mkdtempSync(join(tmpdir(), 'stepgate-views-'))
  after(() => rmSync(folder, { recursive: true }))

  const withBranding = (changes: Partial<typeof branding> | { logo: string }) =>
    createPages({ branding: { ...branding, ...changes } }, { texts, renderer })

  test('the address of a file follows its content', () => {
    const addresses = (color: string): string[] => [...withBranding({ color }).assets.keys()]
    assert.deepEqual(addresses('#2457d6'), addresses('#2457d6'))
    assert.notDeepEqual(addresses('#2457d6'), addresses('#b00020'))
  })

  test('the logo is one of the files, with the name as its text', () => {
    const logo = join(folder, 'logo.PNG')
    writeFileSync(logo, 'picture')
    const branded = withBranding({ logo })
    const html = branded.render({ locale: 'en', ...samples.login } as Page)
    const image = tagsOf(html).find((tag) => tag.attributes.get('class') === 'brand-logo')?.attributes
    assert.equal(image?.get('alt'), 'Example')
    assert.equal(branded.assets.get(image?.get('src') ?? '')?.type, 'image/png')
  })

  test("WE-14: an application's logo is a file of ours, or it is not shown", () => {
    const logo = join(folder, 'shop.svg')
    writeFileSync(logo, '<svg xmlns="http://www.w3.org/2000/svg"/>')
    const branded = createPages({ branding, clientLogos: [logo] }, { texts, renderer })
    const shown = (client: Page['client']) => {
      const html = branded.render({ locale: 'en', ...samples.login, client } as Page)
      return tagsOf(html).find((tag) => tag.attributes.get('class') === 'client-logo')?.attributes
    }
    const image = shown({ name: '"Shop"', logo })
    assert.equal(image?.get('alt'), '&quot;Shop&quot;')
    assert.equal(branded.assets.get(image?.get('src') ?? '')?.type, 'image/svg+xml')
    for (const other of ['https://cdn.example/logo.svg', join(folder, 'other.svg'), '/etc/passwd']) {
      assert.equal(shown({ name: 'Shop', logo: other }), undefined)
    }
  })

  test('a logo or a colour that cannot work stops the start', () => {
    for (const logo of [join(folder, 'none.svg'), join(folder, 'logo.exe')]) {
      assert.throws(() => withBranding({ logo }), ConfigError)
    }
    for (const color of ['blue', '#12345', '#12345g', '#fff;}body{display:none', '']) {
      assert.throws(() => withBranding({ color }), ConfigError, color)
    }
  })

  test('any colour is made readable on both themes', () => {
    const css = readFileSync(new URL('../../views/assets/stepgate.css', import.meta.url), 'utf8')
    const channel = fc.integer({ min: 0, max: 255 }).map((value) => value.toString(16).padStart(2, '0'))
    for (const theme of ['light', 'dark'] as const) {
      assert.ok(css.includes(`--tint: ${GROUND[theme]};`))
      fc.assert(
        fc.property(channel, channel, channel, (red, green, blue) => {
          const accent = accentFor(`#${red}${green}${blue}`, theme)
          assert.ok(contrastOf(accent.color, GROUND[theme]) >= 4.45)
          assert.ok(contrastOf(accent.on, accent.color) >= 4.45)
          assert.ok(contrastOf(accent.on, accent.strong) >= 4.45)
        }),
        RUNS,
      )
    }
    assert.equal(accentFor('#2457d6', 'light').color, '#2457d6')
    assert.equal(accentFor('#00f', 'light').color, '#0000ff')
  })
})
