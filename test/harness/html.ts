/** One element of a page, with what it contains in the order of the page. */
export interface HtmlElement {
  name: string
  /** Names in lower case, values decoded; an attribute without a value has ''. */
  attributes: Readonly<Record<string, string>>
  children: readonly (HtmlElement | string)[]
}

interface OpenElement extends HtmlElement {
  children: (HtmlElement | string)[]
}

const VOID = new Set('area base br col embed hr img input link meta source track wbr'.split(' '))
const RAW_TEXT = new Set(['script', 'style', 'textarea', 'title'])
const TOKEN = /<!--[\s\S]*?-->|<![^>]*>|<\/([a-zA-Z][\w-]*)\s*>|<([a-zA-Z][\w-]*)((?:"[^"]*"|'[^']*'|[^'">])*)>/g
const ATTRIBUTE = /([^\s"'<>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+)))?/g
const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0' }

/** Reads markup that closes what it opens, as ours does. Answers a nameless root. */
export function parseHtml(html: string): HtmlElement {
  const root: OpenElement = { name: '', attributes: {}, children: [] }
  const open = [root]
  const top = (): OpenElement => open.at(-1) ?? root
  const say = (text: string): void => {
    if (text !== '') top().children.push(text)
  }
  let at = 0
  for (const match of html.matchAll(TOKEN)) {
    // A tag inside a script or a textarea is text: the loop has already gone past it.
    if (match.index < at) continue
    say(decodeEntities(html.slice(at, match.index)))
    at = match.index + match[0].length
    const [, closed, opened, attributes = ''] = match
    if (closed !== undefined) close(open, closed.toLowerCase())
    if (opened === undefined) continue
    const element: OpenElement = { name: opened.toLowerCase(), attributes: attributesOf(attributes), children: [] }
    top().children.push(element)
    if (VOID.has(element.name)) continue
    open.push(element)
    if (!RAW_TEXT.has(element.name)) continue
    const end = html.toLowerCase().indexOf(`</${element.name}`, at)
    const text = html.slice(at, end === -1 ? undefined : end)
    say(/^(?:script|style)$/.test(element.name) ? text : decodeEntities(text))
    at += text.length
  }
  say(decodeEntities(html.slice(at)))
  return root
}

function close(open: OpenElement[], name: string): void {
  const index = open.findLastIndex((element) => element.name === name)
  if (index > 0) open.length = index
}

function attributesOf(markup: string): Record<string, string> {
  const attributes: Record<string, string> = {}
  for (const [, name = '', double, single, bare] of markup.matchAll(ATTRIBUTE)) {
    attributes[name.toLowerCase()] ??= decodeEntities(double ?? single ?? bare ?? '')
  }
  return attributes
}

export function decodeEntities(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]+)|#([0-9]+)|([a-z]+));/gi, (whole, hex, decimal, name) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16))
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal))
    return ENTITIES[name] ?? whole
  })
}

/** The text a person reads in it, white space collapsed. */
export function textOf(element: HtmlElement): string {
  return rawText(element).replace(/\s+/g, ' ').trim()
}

function rawText(element: HtmlElement): string {
  return element.children.map((child) => (typeof child === 'string' ? child : rawText(child))).join('')
}

/**
 * Every element that a selector matches, in the order of the page. Selectors are CSS with names, `#id`, `.class`, `[attribute]`,
 * `[attribute=value]`, `[attribute^=value]`, descendants and commas: `main[data-page] form, [data-secret]`.
 */
export function findAll(root: HtmlElement, selector: string): HtmlElement[] {
  const choices = selector.split(',').map((choice) => choice.trim().split(/\s+/).map(compile))
  const found: HtmlElement[] = []
  const visit = (element: HtmlElement, above: HtmlElement[]): void => {
    for (const child of element.children) {
      if (typeof child === 'string') continue
      if (choices.some((steps) => matches(child, above, steps))) found.push(child)
      visit(child, [...above, child])
    }
  }
  visit(root, [])
  return found
}

export function find(root: HtmlElement, selector: string): HtmlElement | undefined {
  return findAll(root, selector)[0]
}

type Test = (element: HtmlElement) => boolean

const PART = /([#.]?)([\w-]+)|\[([\w-]+)(?:(\^?=)"?([^\]"]*)"?)?\]/y

function compile(step: string): Test {
  const tests: Test[] = []
  PART.lastIndex = 0
  while (PART.lastIndex < step.length) {
    const match = PART.exec(step)
    if (match === null) throw new Error(`no selector: ${step}`)
    tests.push(testOf(match))
  }
  return (element) => tests.every((test) => test(element))
}

function testOf([, mark, word = '', attribute, operator, value = '']: RegExpExecArray): Test {
  if (attribute !== undefined) {
    return ({ attributes }) => {
      const given = attributes[attribute]
      if (given === undefined || operator === undefined) return given !== undefined
      return operator === '=' ? given === value : given.startsWith(value)
    }
  }
  if (mark === '#') return ({ attributes }) => attributes.id === word
  if (mark === '.') return ({ attributes }) => (attributes.class ?? '').split(/\s+/).includes(word)
  return ({ name }) => name === word.toLowerCase()
}

function matches(element: HtmlElement, above: readonly HtmlElement[], steps: readonly Test[]): boolean {
  if (!steps.at(-1)?.(element)) return false
  let left = steps.slice(0, -1)
  for (const ancestor of above.toReversed()) if (left.at(-1)?.(ancestor)) left = left.slice(0, -1)
  return left.length === 0
}
