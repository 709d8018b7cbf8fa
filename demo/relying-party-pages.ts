import { type Html, html } from './page.ts'

interface Page {
  title: string
  body: Html
  status?: number
}

interface Site {
  issuer: string
  inbox: string
  accounts: readonly { username: string; password: string; story: string }[]
}

/** What is known of a user who is signed in. */
export interface Shown {
  claims: Record<string, unknown>
  userinfo: Record<string, unknown>
  /** What became of the last sensitive action. */
  sensitive: { asked: string; done: boolean } | undefined
}

const TITLE = 'Sample app'
/** Claims that newcomers ask about. */
const MEANING: Record<string, string> = {
  iss: 'who says so',
  sub: 'whom it is about',
  aud: 'for which application',
  acr: 'how strong the sign-in was',
  amr: 'what was proved',
  auth_time: 'when it was proved',
  iat: 'when it was issued',
  exp: 'until when it is good',
  nonce: 'which request it answers',
  sid: 'which session',
}
const TIMES = new Set(['auth_time', 'iat', 'exp', 'updated_at'])

/** For somebody who is not signed in. */
export function homePage(site: Site): Page {
  const rows = site.accounts.map(
    ({ username, password, story }) =>
      html`<tr><td><code>${username}</code></td><td><code>${password}</code></td><td class="soft">${story}</td></tr>`,
  )
  const body = html`${header(site)}<main>
<section class="card"><h1>You are not signed in</h1>
<p>This application knows no passwords. It sends people to Stepgate, which asks for a password and a second factor and hands back a signed statement of what was proved.</p>
<div class="actions"><a class="button" href="/sign-in">Sign in</a></div></section>
<section class="card"><h2>Who you can be</h2><div class="scroll"><table class="stack">
<tr><th scope="col">User</th><th scope="col">Password</th><th scope="col">At the first sign-in</th></tr>${rows}</table></div></section>
<p class="soft">Codes by mail, and the codes of maria’s app, appear in the <a href="${site.inbox}">inbox</a>.</p>
</main>`
  return { title: TITLE, body }
}

export function welcomePage(site: Site, user: Shown): Page {
  const { claims, userinfo, sensitive } = user
  const name = String(userinfo.name ?? userinfo.preferred_username ?? claims.sub)
  const body = html`${header(site)}<main>
${sensitive === undefined ? undefined : sensitiveNote(sensitive)}
<section class="card"><h1>Hello, ${name}</h1>
<p>You proved <strong>${list(claims.amr)}</strong>, which is worth <code>${String(claims.acr)}</code>.</p>
<div class="actions"><a class="button" href="/sensitive">Do something sensitive</a>
<form method="post" action="/sign-out"><button class="button second">Sign out</button></form></div></section>
<section class="card"><h2>ID token</h2>${claimsTable(claims)}</section>
<section class="card"><h2>Userinfo</h2>${claimsTable(userinfo)}</section>
</main>`
  return { title: TITLE, body }
}

export function failurePage(reason: string, status: number): Page {
  const body = html`<main><section class="card"><h1>That did not work</h1><p>${reason}</p>
<div class="actions"><a class="button" href="/">Start again</a></div></section></main>`
  return { title: TITLE, body, status }
}

function header(site: Site): Html {
  return html`<header><strong>${TITLE}</strong><span class="tag">a relying party of <code>${site.issuer}</code></span>
<nav><a href="${site.inbox}">Inbox</a></nav></header>`
}

function sensitiveNote({ asked, done }: { asked: string; done: boolean }): Html {
  return done
    ? html`<p class="note good" role="status">Done. The ID token says <code>${asked}</code>, as this action wants it.</p>`
    : html`<p class="note warn" role="status">Not done: this action wants <code>${asked}</code>, and the ID token says less.</p>`
}

function claimsTable(claims: Record<string, unknown>): Html {
  const rows = Object.entries(claims)
    .toSorted(byMeaning)
    .map(
      ([name, value]) =>
        html`<tr><th scope="row"><code>${name}</code></th><td>${textOf(name, value)}</td><td class="soft">${MEANING[name]}</td></tr>`,
    )
  return html`<div class="scroll"><table>${rows}</table></div>`
}

/** Claims with a meaning first, in the order of the list above. */
function byMeaning([left]: [string, unknown], [right]: [string, unknown]): number {
  const order = Object.keys(MEANING)
  const rank = (name: string): number => (name in MEANING ? order.indexOf(name) : order.length)
  return rank(left) - rank(right)
}

function textOf(name: string, value: unknown): string {
  if (TIMES.has(name) && typeof value === 'number') {
    return new Date(value * 1000).toISOString().replace('T', ' ').replace('.000Z', ' UTC')
  }
  return Array.isArray(value) ? list(value) : typeof value === 'string' ? value : JSON.stringify(value)
}

const list = (value: unknown): string => (Array.isArray(value) ? value.join(', ') : String(value ?? 'nothing'))
