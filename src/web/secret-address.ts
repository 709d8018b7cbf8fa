const SECRET_ADDRESS = /^(\/(?:activate|reset)\/)[^/]+/i

/** Whether the address of this page is itself the way to a new password: no other page may be told of it (PW-16). */
export function isSecretAddress(path: string): boolean {
  return SECRET_ADDRESS.test(path)
}

/** The same path, fit for a log. */
export function withoutSecret(path: string): string {
  return path.replace(SECRET_ADDRESS, '$1…')
}
