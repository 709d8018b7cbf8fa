import { oneLine } from './one-line.ts'

/** What a mail server or the way to it said, fit for a log. */
export interface SmtpFailure extends Error {
  /** Nodemailer's: `ECONNECTION`, `EAUTH`, `EENVELOPE`, … */
  code?: string
  /** The server's answer, such as 550. */
  responseCode?: number
  /** The SMTP command it answered. */
  command?: string
}

const REASON_LENGTH = 200
/** Shorter facts are words that occur anywhere. */
const TELLING_LENGTH = 4

/** A copy that repeats neither addresses nor any of `facts`: servers like to quote what they refuse. */
export function withoutFacts(error: unknown, facts: readonly string[]): SmtpFailure {
  const given: SmtpFailure = error instanceof Error ? error : new Error('unknown')
  const telling = facts.filter((fact) => fact.length >= TELLING_LENGTH)
  const tells = (word: string): boolean => word.includes('@') || telling.some((fact) => word.includes(fact))
  const words = oneLine(given.message, REASON_LENGTH).split(' ')
  const copy: SmtpFailure = new Error(words.map((word) => (tells(word) ? '…' : word)).join(' '))
  const { code, responseCode, command } = given
  return Object.assign(copy, { code, responseCode, command })
}
