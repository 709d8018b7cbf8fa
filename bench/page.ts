/** The form of a page that asks for something, as the browser would send it untouched. */
export interface Form {
  /** As written; empty when it posts back to the page's own address. */
  action: string
  hidden: Record<string, string>
  /** Names of the fields a person fills in. */
  asks: ReadonlySet<string>
}

const FORM = /<form\b([^>]*)>([\s\S]*?)<\/form>/gi
const INPUT = /<input\b([^>]*)>/gi

/** The first form that has one of the given fields. */
export function formWith(fields: readonly string[], html: string): Form | undefined {
  for (const [, attributes = '', content = ''] of html.matchAll(FORM)) {
    const form = formOf(attributes, content)
    if (fields.some((field) => form.asks.has(field))) return form
  }
  return undefined
}

function formOf(attributes: string, content: string): Form {
  const hidden: Record<string, string> = {}
  const asks = new Set<string>()
  for (const [, input = ''] of content.matchAll(INPUT)) {
    const name = attribute('name', input)
    if (name === undefined) continue
    if (attribute('type', input) === 'hidden') hidden[name] = attribute('value', input) ?? ''
    else asks.add(name)
  }
  return { action: attribute('action', attributes) ?? '', hidden, asks }
}

function attribute(name: string, text: string): string | undefined {
  const found = new RegExp(`(?:^|\\s)${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s>]+))`, 'i').exec(text)
  const value = found?.[1] ?? found?.[2] ?? found?.[3]
  return value === undefined ? undefined : unescaped(value)
}

/** What stands in the page's `[data-secret]`: the key a new authenticator app is given. */
export function secretOf(html: string): string | undefined {
  const text = /<(\w+)\b[^>]*\bdata-secret\b[^>]*>([\s\S]*?)<\/\1>/i.exec(html)?.[2]
  return text?.replace(/<[^>]*>/g, '').replace(/\s/g, '')
}

/** The page's name and problem, for messages. */
export function describePage(html: string): string {
  const main = /<main\b([^>]*)>/i.exec(html)?.[1] ?? ''
  return `${attribute('data-page', main) ?? 'no page'} ${attribute('data-error', main) ?? ''}`.trim()
}

const NAMED: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function unescaped(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (name !== undefined) return NAMED[name] ?? whole
    return String.fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16))
  })
}
