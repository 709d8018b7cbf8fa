import { type DefaultTreeAdapterTypes, parse } from 'parse5'

/** One element of a page, with what it contains in the order of the page. */
export interface HtmlElement {
  name: string
  /** Names in lower case, values decoded; an attribute without a value has ''. */
  attributes: Readonly<Record<string, string>>
  children: readonly (HtmlElement | string)[]
}

/** As a browser without scripts reads it (HTML, 13.2). Answers a nameless root. */
export function parseHtml(html: string): HtmlElement {
  return { name: '', attributes: {}, children: childrenOf(parse(html, { scriptingEnabled: false })) }
}

function childrenOf({ childNodes }: DefaultTreeAdapterTypes.ParentNode): (HtmlElement | string)[] {
  return childNodes.flatMap((node): (HtmlElement | string)[] => {
    if ('value' in node) return [node.value]
    if (!('tagName' in node)) return []
    const attributes = Object.fromEntries(node.attrs.map(({ name, value }) => [name, value]))
    return [{ name: node.tagName, attributes, children: childrenOf(node) }]
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
 * Every element that a selector matches, in the order of the page. Selectors are CSS with names, `#id`, `.class`,
 * `[attribute]`, `[attribute=value]`, `[attribute^=value]`, descendants and commas:
 * `main[data-page] form, [data-secret]`.
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
