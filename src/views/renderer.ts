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

export function createRenderer(dependencies: { texts: Texts }): Renderer {
  const { texts } = dependencies

  return {
    render(view, locale, data) {
      return templateOf(view)({ ...data, ...helpersFor(locale, texts) })
    },
  }
}

/** Paths below `views/` without the extension. */
export function viewNames(): string[] {
  return readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(EXTENSION))
    .map((file) => file.slice(0, -EXTENSION.length).replaceAll('\\', '/'))
}

/**
 * The same whatever the configuration says: a reload compiles none of them again, and a command only those it needs.
 */
const templates = new Map<string, TemplateFunction>()
let views: ReadonlySet<string> | undefined

function templateOf(view: string): TemplateFunction {
  views ??= new Set(viewNames())
  if (!views.has(view)) throw new Error(`there is no view ${view}`)
  const template = templates.get(view) ?? compiled(view)
  templates.set(view, template)
  return template
}

function compiled(view: string): TemplateFunction {
  const filename = `${ROOT}/${view}${EXTENSION}`
  return ejs.compile(readFileSync(filename, 'utf8'), { filename, root: ROOT, cache: true, escape: escapeHtml })
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
