import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'

const STYLE = readFileSync(new URL('./style.css', import.meta.url), 'utf8')
const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"

/** Markup that is finished: everything that went into it is escaped. */
export interface Html {
  html: string
}

type Part = string | number | Html | undefined | readonly Html[]

/** A template whose values are escaped, except those that are finished markup. */
export function html(literals: TemplateStringsArray, ...values: Part[]): Html {
  return { html: literals.map((literal, index) => literal + markup(values[index])).join('') }
}

function markup(value: Part): string {
  if (value === undefined) return ''
  if (typeof value === 'object') return 'html' in value ? value.html : value.map((part) => part.html).join('')
  return String(value).replace(/[&<>"']/g, (character) => ESCAPES[character] ?? character)
}

export function sendPage(response: ServerResponse, page: { title: string; body: Html; status?: number }): void {
  const text = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${page.title}</title>
<style>${{ html: STYLE }}</style>
</head>
<body>${page.body}</body>
</html>
`
  response.writeHead(page.status ?? 200, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': POLICY,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
  response.end(text.html)
}

/** The path of a request, without what its query says. */
export function pathOf(request: IncomingMessage): string {
  return new URL(request.url ?? '/', 'http://localhost').pathname
}
