import { z } from 'zod'
import { isMailAddress } from './addresses.ts'
import { line } from './fields.ts'
import { urlWithPassword } from './secret-fields.ts'

const FROM = /^(?:(?:"([^"<>]*)"|([^"<>]*)) *<([^<>]+)>|([^"<> ]+))$/
const NOT_FROM = 'must be one address, as id@example.com or Example <id@example.com>'

/** `Example <id@example.com>` or the address alone. */
const sender = z.codec(line({ max: 320 }), z.custom<{ name: string; address: string }>(), {
  decode: (text, payload) => {
    const [, quoted, plain, bracketed, bare] = FROM.exec(text) ?? []
    const address = bracketed ?? bare ?? ''
    if (isMailAddress(address)) return { name: (quoted ?? plain ?? '').trim(), address }
    payload.issues.push({ code: 'custom', input: undefined, message: NOT_FROM })
    return z.NEVER
  },
  encode: ({ name, address }) => (name === '' ? address : `"${name}" <${address}>`),
})

export const mail = z
  .strictObject({
    smtp: urlWithPassword(line({ max: 2000 })).describe(
      'The mail server: `smtps://user:password@host`, or `smtp://host` (STARTTLS).',
    ),
    from: sender.describe('Sender of all mails, as `Example <id@example.com>`.'),
  })
  .optional()
  .describe('The mail server; absent: no mail is sent and no method that needs it works.')
