import ipaddr from 'ipaddr.js'

type Address = ipaddr.IPv4 | ipaddr.IPv6

/** One spelling per address: IPv4 in IPv6 clothes becomes IPv4; undefined for what is no address. */
function parse(text: string): Address | undefined {
  return ipaddr.isValid(text) ? ipaddr.process(text) : undefined
}

/** The canonical text of an address; undefined for what is none. */
export function canonicalAddress(text: string): string | undefined {
  return parse(text)?.toString()
}

/**
 * What limits count by: an IPv4 address, or the /64 of an IPv6 one, because one household owns all of it (RL-7,
 * CVE-2026-45364).
 */
export function networkOf(address: string): string {
  const parsed = parse(address)
  if (parsed === undefined) return 'unknown'
  if (parsed.kind() === 'ipv4') return parsed.toString()
  const prefix = (parsed as ipaddr.IPv6).parts.slice(0, 4).map((part) => part.toString(16))
  return `${prefix.join(':')}::/64`
}

/** Whether an address is in one of these networks (CIDR, or single addresses). Throws for an entry that is neither. */
export function createNetworks(entries: readonly string[]): (address: string) => boolean {
  const ranges = entries.map((entry) => {
    const [address, bits] = entry.includes('/') ? ipaddr.parseCIDR(entry) : [ipaddr.parse(entry), undefined]
    return canonicalRange(address, bits ?? (address.kind() === 'ipv4' ? 32 : 128))
  })
  return (text) => {
    const parsed = parse(text)
    if (parsed === undefined) return false
    return ranges.some(({ address, bits }) => address.kind() === parsed.kind() && parsed.match(address, bits))
  }
}

/** A network of IPv4 in IPv6 clothes, undressed as addresses are: else it would match nobody. */
function canonicalRange(address: Address, bits: number): { address: Address; bits: number } {
  const mapped = address.kind() === 'ipv6' && (address as ipaddr.IPv6).isIPv4MappedAddress() && bits >= 96
  return mapped ? { address: (address as ipaddr.IPv6).toIPv4Address(), bits: bits - 96 } : { address, bits }
}

/** 127.0.0.0/8, ::1 and the name `localhost`. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '')
  return bare === 'localhost' || parse(bare)?.range() === 'loopback'
}
