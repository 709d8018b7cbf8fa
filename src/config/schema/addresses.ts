import ipaddr from 'ipaddr.js'
import { isLoopback } from '../../kernel/network.ts'

/** Letters, digits, dots and hyphens: a name, or an IPv4 address; an IPv6 address in brackets. A port may follow. */
const HOST_AND_PORT = /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/i
const LOCAL_PART = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/i
const DOMAIN = /^[\p{L}\p{N}](?:[\p{L}\p{N}.-]*[\p{L}\p{N}])?$/u
const ADDRESS_LENGTH = 254
const LOCAL_PART_LENGTH = 64

/** The host of a URL without the brackets of IPv6. */
function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '')
}

/** A host that the guard against requests into one's own network refuses (SS-2), as far as its spelling says so. */
export function isInternal(hostname: string): boolean {
  const host = bare(hostname)
  return host === 'localhost' || (ipaddr.isValid(host) && ipaddr.parse(host).range() !== 'unicast')
}

/** An address, or a network in CIDR notation whose host part is zero; IPv4 or IPv6. */
export function isNetwork(text: string): boolean {
  if (!text.includes('/')) return isAddress(text)
  return isNetworkWithPrefix(text)
}

function isAddress(text: string): boolean {
  return ipaddr.IPv4.isValidFourPartDecimal(text) || ipaddr.IPv6.isValid(text)
}

function isNetworkWithPrefix(text: string): boolean {
  const [address = ''] = text.split('/')
  if (!isAddress(address) || !ipaddr.isValidCIDR(text)) return false
  const [parsed, prefix] = ipaddr.parseCIDR(text)
  const first =
    parsed.kind() === 'ipv4' ? ipaddr.IPv4.networkAddressFromCIDR(text) : ipaddr.IPv6.networkAddressFromCIDR(text)
  return prefix >= 0 && parsed.toNormalizedString() === first.toNormalizedString()
}

export function isHostAndPort(text: string): boolean {
  return HOST_AND_PORT.test(text)
}

/** Exactly one plain addr-spec (IN-1): no list, no brackets, no quoted local part, no control characters. */
export function isMailAddress(text: string): boolean {
  const at = text.lastIndexOf('@')
  const [local, domain] = [text.slice(0, at), text.slice(at + 1)]
  const short = text.length <= ADDRESS_LENGTH && local.length <= LOCAL_PART_LENGTH
  return at > 0 && short && LOCAL_PART.test(local) && DOMAIN.test(domain) && !domain.includes('..')
}

/** The URL when it is one as it stands: no white space, control character or backslash that a parser would repair. */
export function strictUrl(text: string): URL | undefined {
  if (/[\s\p{Cc}\\]/u.test(text)) return undefined
  return URL.parse(text) ?? undefined
}

/** `https`, or `http` to this very machine. */
export function isHttpsOrLoopback(text: string): boolean {
  const url = strictUrl(text)
  if (url === undefined || url.username !== '' || url.password !== '') return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))
}
