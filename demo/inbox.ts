import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { simpleParser } from 'mailparser'
import { generateSync } from 'otplib'
import { SMTPServer } from 'smtp-server'
import { type Html, html, pathOf, sendPage } from './page.ts'

/** A mail as its reader sees it. */
interface Message {
  from: string
  to: string
  subject: string
  text: string
  /** ISO 8601. */
  receivedAt: string
}

/** A phone with an authenticator app: whose it is, and its key (base32). */
interface Phone {
  owner: string
  secret: string
}

export interface Inbox {
  /** Where the gateway delivers. */
  smtp: string
  /** The page; it does not listen yet. */
  server: Server
  /** Adds an authenticator app to the page. */
  show(phone: Phone): void
  close(): Promise<void>
}

const KEPT = 100
const PERIOD = 30

/** A mail server that takes everything, and a page that shows what came in. */
export async function startInbox(options: { app: string }): Promise<Inbox> {
  const messages: Message[] = []
  const phones: Phone[] = []
  const mailServer = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    logger: false,
    onData(stream, _session, done) {
      simpleParser(stream).then(
        ({ from, to, subject, text }) => {
          const recipients = [to ?? []].flat().map((address) => address.text)
          const receivedAt = new Date().toISOString()
          messages.unshift({
            from: from?.text ?? '',
            to: recipients.join(', '),
            subject: subject ?? '',
            text: text ?? '',
            receivedAt,
          })
          messages.splice(KEPT)
          done()
        },
        (error: Error) => done(error),
      )
    },
  })
  await new Promise<void>((resolve, reject) => {
    mailServer.once('error', reject)
    mailServer.listen(0, '127.0.0.1', resolve)
  })
  const { port } = mailServer.server.address() as AddressInfo
  const server = createServer((request, response) => {
    const path = pathOf(request)
    if (path === '/messages.json') {
      response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' })
      return response.end(JSON.stringify(messages))
    }
    if (path !== '/')
      return sendPage(response, { title: 'Not found', body: html`<main><h1>Not found</h1></main>`, status: 404 })
    return sendPage(response, { title: 'Inbox', body: inboxPage({ messages, phones, app: options.app }) })
  })
  return {
    smtp: `smtp://127.0.0.1:${port}`,
    server,
    show: (phone) => void phones.push(phone),
    close: () => new Promise((resolve) => mailServer.close(resolve)),
  }
}

function inboxPage({ messages, phones, app }: { messages: Message[]; phones: Phone[]; app: string }): Html {
  return html`
<header><strong>Inbox</strong><span class="tag">every mail of the demo lands here</span>
<nav><a href="${app}">Sample app</a></nav></header>
<main>
${phones.map(phoneCard)}
${messages.length === 0 ? html`<section class="card"><h1>No mail yet</h1><p class="soft">Sign in as anna: her code will appear here.</p></section>` : messages.map(messageCard)}
<p class="soft"><a href="/">Refresh</a> · <a href="/messages.json">as JSON</a></p>
</main>
<script>
const shown = ${messages.length}
setInterval(async () => {
  const answer = await fetch('/messages.json').catch(() => undefined)
  if (answer?.ok && (await answer.json()).length !== shown) location.reload()
}, 1500)
${phones.length > 0 ? html`setTimeout(() => location.reload(), ${PERIOD * 1000} - (Date.now() % ${PERIOD * 1000}) + 100)` : undefined}
</script>`
}

function phoneCard({ owner, secret }: Phone): Html {
  const code = generateSync({ secret, period: PERIOD, digits: 6 })
  return html`<section class="card"><h2>${owner}’s authenticator app</h2>
<p class="digits">${code.slice(0, 3)} ${code.slice(3)}</p>
<p class="soft">A new code every ${PERIOD} seconds, and each works once. A real one lives in a phone, of course.</p></section>`
}

function messageCard({ from, to, subject, text, receivedAt }: Message): Html {
  return html`<article class="card"><h2>${subject}</h2>
<p class="soft">To ${to} · from ${from} · <time datetime="${receivedAt}">${receivedAt.slice(11, 19)} UTC</time></p>
<pre>${text}</pre></article>`
}
