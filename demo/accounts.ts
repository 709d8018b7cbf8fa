import { randomInt, randomUUID } from 'node:crypto'
import type { Account } from '../src/accounts/account.ts'
import type { Installation } from '../src/app/installation.ts'
import type { AuditEvent } from '../src/audit/audit.ts'
import { keyUri, newSecret } from '../src/mfa/factors/totp/codes.ts'
import type { TotpRecord } from '../src/mfa/factors/totp/totp.ts'

/** Somebody who can sign in to the demo. */
export interface DemoAccount {
  username: string
  password: string
  email: string | null
  /** What to expect at the first sign-in. */
  story: string
  /** The key of the authenticator app that is bound already. */
  totp?: { secret: string; uri: string }
}

const SYLLABLES = { consonants: 'bdfgklmnprstv', vowels: 'aeiou' }
const APP = { digits: 6, period: 30_000 } as const
const CREATED: AuditEvent = { event: 'user.created', outcome: 'ok', details: { by: 'demo' } }
const BOUND: AuditEvent = { event: 'factor.added', outcome: 'ok', details: { by: 'demo' } }

/** Makes the three accounts, each with a password of its own that was never used before. */
export async function makeAccounts(site: Installation): Promise<DemoAccount[]> {
  const anna = await makeAccount(site, { username: 'anna', name: 'Anna Berg', email: 'anna@example.test' })
  const erik = await makeAccount(site, { username: 'erik', name: 'Erik Lind' })
  const maria = await makeAccount(site, { username: 'maria', name: 'Maria Holm', email: 'maria@example.test' })
  const totp = await bindApp(site, maria.account)
  return [
    { ...anna.shown, story: 'gets a code by mail, or sets up an authenticator app' },
    { ...erik.shown, story: 'has no address, so sets up an authenticator app' },
    { ...maria.shown, story: 'has an authenticator app already', totp },
  ]
}

async function makeAccount(
  site: Installation,
  person: { username: string; name: string; email?: string },
): Promise<{ account: Account; shown: Pick<DemoAccount, 'username' | 'password' | 'email'> }> {
  const password = typeablePassword()
  const passwordHash = await site.hasher.hash(password)
  const account = await site.accounts.insert({ ...person, groups: ['staff'], passwordHash }, CREATED)
  return { account, shown: { username: person.username, password, email: person.email ?? null } }
}

async function bindApp(site: Installation, account: Account): Promise<{ secret: string; uri: string }> {
  const key = { ...APP, secret: newSecret() }
  const record: TotpRecord = { ...key, lastStep: 0 }
  const binding = { id: randomUUID(), accountId: account.id, type: 'totp', label: 'Demo phone', record }
  await site.bindings.insert({ ...binding, boundAt: site.clock.now() }, { maxOfType: 1, audit: BOUND })
  return { secret: key.secret, uri: keyUri(key, { issuer: site.config.branding.name, label: account.username }) }
}

/** About 50 bits in four easy groups: `tovika-lumebo-redafi-42`. */
function typeablePassword(): string {
  const pick = (letters: string): string => letters[randomInt(letters.length)] ?? ''
  const group = (): string =>
    Array.from({ length: 3 }, () => pick(SYLLABLES.consonants) + pick(SYLLABLES.vowels)).join('')
  return `${group()}-${group()}-${group()}-${randomInt(10, 100)}`
}
