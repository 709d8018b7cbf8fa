const USERINFO = /^([a-z][a-z0-9+.-]*:\/\/[^:@/]*):([^@/]*)@/i
const PARAMETERS = /([?&](?:password|pass|sslpassword|sslkey)=)[^&#]*/gi

export const MASK = '********'

/** The URL with its password masked. */
export function maskUrl(url: string): string {
  return url.replace(USERINFO, `$1:${MASK}@`).replace(PARAMETERS, `$1${MASK}`)
}

/** The password in a URL, decoded; undefined when there is none. */
export function passwordIn(url: string): string | undefined {
  const [, , password] = USERINFO.exec(url) ?? []
  if (password === undefined || password === '') return undefined
  try {
    return decodeURIComponent(password)
  } catch {
    // Not encoded as it should be: whoever connects will say so.
    return password
  }
}
