import { domainToASCII } from 'node:url'

/** RFC 5321 section 4.5.3.1.3 less the angle brackets: what fits into a RCPT TO. */
const ADDRESS_LENGTH = 254
const LOCAL_PART_LENGTH = 64
const LABEL_LENGTH = 63

// RFC 5322 section 3.2.3, `atext`. One class and one star each: nothing to backtrack into.
const ATOM = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+$/i
const LABEL = /^[a-z0-9-]+$/i
const ASCII_OF_A_DOMAIN = /^[a-z0-9.\u0080-\u{10ffff}-]+$/iu
const INVISIBLE = /[\p{C}\p{Z}]/u
/** What URL parsers, and mailers after them, read as an IPv4 address. */
const NUMBER = /^(?:[0-9]+|0x[0-9a-f]*)$/i

/**
 * Exactly one plain addr-spec (IN-1), or undefined: no list, group, comment, quoted local part, display name, address
 * literal, space or control character. A domain beyond ASCII comes back in its ASCII form (RFC 5891); a local part
 * beyond ASCII is refused. Nothing is trimmed and no letter changes its case.
 */
export function parseAddress(text: string): string | undefined {
  if (text.length > ADDRESS_LENGTH || INVISIBLE.test(text)) return undefined
  const at = text.indexOf('@')
  const localPart = text.slice(0, Math.max(at, 0))
  const domain = asciiDomain(text.slice(at + 1))
  if (!isLocalPart(localPart) || domain === undefined) return undefined
  const address = `${localPart}@${domain}`
  return address.length > ADDRESS_LENGTH ? undefined : address
}

function isLocalPart(text: string): boolean {
  return text.length <= LOCAL_PART_LENGTH && text.split('.').every((atom) => ATOM.test(atom))
}

function asciiDomain(text: string): string | undefined {
  if (!ASCII_OF_A_DOMAIN.test(text)) return undefined
  const ascii = domainToASCII(text)
  // Empty: a label that no registry could hold. An ASCII domain stays as it was typed.
  if (ascii === '') return undefined
  const domain = ascii === text.toLowerCase() ? text : ascii
  const labels = domain.split('.')
  if (!labels.every(isLabel) || NUMBER.test(labels.at(-1) ?? '')) return undefined
  return domain
}

function isLabel(text: string): boolean {
  return text.length <= LABEL_LENGTH && LABEL.test(text) && !text.startsWith('-') && !text.endsWith('-')
}

/** Enough to recognise one's own address, not enough to learn somebody else's: `a•••@e•••.test`. */
export function masked(address: string): string {
  const at = address.lastIndexOf('@')
  const domain = address.slice(at + 1)
  const dot = domain.lastIndexOf('.')
  const host = dot > 0 ? `${firstOf(domain)}•••${domain.slice(dot)}` : `${firstOf(domain)}•••`
  return `${firstOf(address.slice(0, at))}•••@${host}`
}

function firstOf(text: string): string {
  return [...text][0] ?? ''
}
