import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encode, fillIn, formsOf, mainForm } from '../harness/forms.ts'
import { find, findAll, parseHtml, textOf } from '../harness/html.ts'

const PAGE = `<!doctype html>
<html lang="en"><head><title>A &amp; B</title><style>a > b { color: red }</style></head>
<body><form action="/language"><select name="lang"><option value="en">English<option value="sv" selected>Svenska</select></form>
<!-- <main data-page="never"> -->
<main data-page="verify-totp" data-error="code">
  <h1>Code &lt;6 digits&gt;</h1><img alt='QR "code"' src="data:image/png;base64,AA+/=">
  <code data-secret>ABCD EFGH<br>IJKL</code>
  <form id="main" method="post">
    <input type="hidden" name="csrf" value="a&amp;b&#34;&#x27;">
    <label>Code <input name="code" autocomplete=one-time-code required></label>
    <label><input type="checkbox" name="remember"> Remember</label>
    <input type="checkbox" name="news" value="1" checked>
    <textarea name="note">x < y</textarea>
    <input name="off" disabled value="never">
    <button>Sign in</button>
    <button name="action" value="resend">Send again</button>
  </form>
  <button form="main" name="action" value="cancel">Cancel</button>
  <script>if (1 < 2) document.write('<form></form>')</script>
</main></body></html>`

describe('how tests read our pages', () => {
  const page = parseHtml(PAGE)
  const forms = formsOf(page, 'https://id.example.com/interaction/1?x=1')
  const form = mainForm(page, forms)
  assert.ok(form)

  it('decodes entities and keeps scripts, comments and styles out of the way', () => {
    assert.equal(textOf(find(page, 'title') ?? page), 'A & B')
    assert.equal(textOf(find(page, 'h1') ?? page), 'Code <6 digits>')
    assert.equal(find(page, 'img[alt^=QR]')?.attributes.src, 'data:image/png;base64,AA+/=')
    assert.equal(textOf(find(page, '[data-secret]') ?? page), 'ABCD EFGHIJKL')
    assert.equal(findAll(page, 'main').length, 1)
    assert.equal(forms.length, 2)
  })

  it('finds by attribute, by descendant and by choice', () => {
    assert.equal(find(page, 'main[data-page=verify-totp][data-error] form')?.attributes.id, 'main')
    assert.equal(find(page, 'form main'), undefined)
    assert.equal(findAll(page, 'h1, img').length, 2)
    assert.throws(() => find(page, 'a:hover'))
  })

  it('knows the main form: its address, what is hidden, what can be typed, and its buttons', () => {
    assert.equal(form.action, 'https://id.example.com/interaction/1?x=1')
    assert.equal(form.method, 'post')
    assert.deepEqual(form.hidden, { csrf: 'a&b"\'' })
    assert.deepEqual(form.fields, ['code', 'remember', 'news', 'note'])
    assert.deepEqual(form.filled, { code: '', news: '1', note: 'x < y' })
    assert.deepEqual(
      form.buttons.map(({ name, value, text }) => `${name}=${value} ${text}`),
      ['= Sign in', 'action=resend Send again', 'action=cancel Cancel'],
    )
    assert.deepEqual(forms[0]?.filled, { lang: 'sv' })
  })

  it('sends what a browser would send, and the button that Enter presses', () => {
    const sent = encode(fillIn(form, { code: '123 456', remember: 'on', news: undefined }))
    assert.equal(sent, 'csrf=a%26b%22%27&code=123+456&note=x+%3C+y&remember=on')
    const choice = formsOf(parseHtml('<form><button name="method" value="totp">App</button></form>'), 'http://a/')[0]
    assert.ok(choice)
    assert.equal(encode(fillIn(choice, {})), 'method=totp')
    assert.equal(encode(fillIn(choice, { method: 'email' })), 'method=email')
  })

  it('cannot type into a field that is not there', () => {
    assert.throws(() => fillIn(form, { password: 'x' }), /no password/)
  })
})
