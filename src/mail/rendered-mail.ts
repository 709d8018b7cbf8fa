import type { Mail } from '../kernel/mail.ts'
import type { Renderer } from '../views/renderer.ts'
import type { Texts } from '../views/texts.ts'
import { oneLine } from './one-line.ts'
import { browserOf } from './user-agent.ts'

/** A mail as its reader sees it. */
export interface RenderedMail {
  /** One of the configured languages. */
  locale: string
  /** A single line. */
  subject: string
  text: string
  /** Everything from outside is escaped in it. */
  html: string
}

const SUBJECT_LENGTH = 150
/** Long enough for a link of ours. */
const FACT_LENGTH = 500

/**
 * Renders `views/mail/<template>/{subject,text,html}.ejs`, the last inside `views/mail/layout.ejs`. Every text in
 * `data` is a single line of bounded length (IN-2). Two names are shown in the reader's words: `time` (milliseconds
 * since the epoch) as date and time in UTC, `browser` (a User-Agent header) as browser and system.
 */
export function composeMail(
  { template, locale: wanted, data }: Mail,
  { renderer, texts }: { renderer: Renderer; texts: Texts },
): RenderedMail {
  const locale = texts.negotiate([wanted])
  const facts = Object.fromEntries(Object.entries(data).map(([name, value]) => [name, fact(name, value)]))
  const part = (name: string): string => renderer.render(`mail/${template}/${name}`, locale, facts)
  const subject = oneLine(part('subject'), SUBJECT_LENGTH)
  const html = renderer.render('mail/layout', locale, { title: subject, body: part('html') })
  return { locale, subject, text: `${part('text').trim()}\n`, html }

  function fact(name: string, value: string | number | undefined): string | number | undefined {
    if (name === 'time' && typeof value === 'number') return texts.dateTime(locale, value)
    if (typeof value !== 'string') return value
    return name === 'browser' ? browserText(value) : oneLine(value, FACT_LENGTH)
  }

  function browserText(userAgent: string): string {
    const name = browserOf(userAgent)
    if (name === undefined) return texts.t(locale, 'mail.browser.unknown')
    const { browser, system } = name
    return system === undefined ? browser : texts.t(locale, 'mail.browser.on', { browser, system })
  }
}
