import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ejs, { type TemplateFunction } from 'ejs'
import { escapeHtml } from './escape.ts'
import type { Texts, TextValues } from './texts.ts'

/** Pages and mails from the templates in `views/`. */
export interface Renderer {
  /**
   * `view` is a path below `views/` without `.ejs`. A template sees the names in `data` and `t(key, values)`,
   * `rich(key, values)`, `duration(milliseconds)`, `dateTime(milliseconds)`, `locale`. Everything in `<%= %>` is
   * escaped for HTML.
   */
  render(view: string, locale: string, data: Record<string, unknown>): string
}

const EXTENSION = '.ejs'
const ROOT = fileURLToPath(new URL('../../views', import.meta.url))

/** `further`: folders of somebody else that are laid beside `views/`. */
export function createRenderer(dependencies: { texts: Texts; further?: readonly string[] }): Renderer {
  const { texts, further = [] } = dependencies
  const roots = [ROOT, ...further]

  return {
    render(view, locale, data) {
      return templateOf(view, roots)({ ...data, ...helpersFor(locale, texts) })
    },
  }
}

/** Paths below `views/`, or another folder, without the extension. */
export function viewNames(root = ROOT): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(EXTENSION))
    .map((file) => file.slice(0, -EXTENSION.length).replaceAll('\\', '/'))
}

/**
 * The same whatever the configuration says: a reload compiles none of them again, and a command only those it needs.
 */
const templates = new Map<string, TemplateFunction>()
const views = new Map<string, ReadonlySet<string>>()

function templateOf(view: string, roots: string[]): TemplateFunction {
  const place = [view, ...roots].join('\n')
  const template = templates.get(place) ?? compiled(view, roots)
  templates.set(place, template)
  return template
}

function compiled(view: string, roots: string[]): TemplateFunction {
  const folder = roots.find((root) => viewsIn(root).has(view))
  if (folder === undefined) throw new Error(`there is no view ${view}`)
  const filename = `${folder}/${view}${EXTENSION}`
  return ejs.compile(readFileSync(filename, 'utf8'), { filename, root: roots, cache: true, escape: escapeHtml })
}

function viewsIn(root: string): ReadonlySet<string> {
  const known = views.get(root) ?? new Set(viewNames(root))
  views.set(root, known)
  return known
}

function helpersFor(locale: string, texts: Texts): Record<string, unknown> {
  const t = (key: string | string[], values?: TextValues): string => texts.t(locale, key, values)
  return {
    locale,
    t,
    rich: (key: string | string[], values: TextValues) => richText((marked) => t(key, marked), values),
    duration: (milliseconds: number) => texts.duration(locale, milliseconds),
    dateTime: (milliseconds: number) => texts.dateTime(locale, milliseconds),
  }
}

const MARK = '\u{F0000}'

/**
 * HTML of a text whose words from outside stand out and keep their reading direction to themselves. Marks stand in for
 * the values while the text is made and escaped, so that no value is ever taken for markup; numbers are part of the
 * sentence.
 */
function richText(textOf: (values: TextValues) => string, values: TextValues): string {
  const names = Object.keys(values).filter((name) => typeof values[name] === 'string')
  const marks = Object.fromEntries(names.map((name, index) => [name, `${MARK}${index}${MARK}`]))
  const text = escapeHtml(textOf({ ...values, ...marks }))
  return text.replace(new RegExp(`${MARK}(\\d+)${MARK}`, 'gu'), (_, index) => {
    const name = names[Number(index)]
    return name === undefined ? '' : `<bdi>${escapeHtml(values[name])}</bdi>`
  })
}
