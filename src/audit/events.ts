import type { AuditEventName } from './audit.ts'

/** Every detail that an event may have, once. */
export const DETAILS = {
  admin: 'whether the account is an administrator',
  answer: '`keep` or `off`',
  browser: 'name of the browser, never what it sent',
  by: 'who or what did it: `cli`, `setup`, `file`, `owner`, `admin`',
  ceremony: '`bind`, `verify` or `setup`',
  changed: 'names of what changed, never their values',
  clients: 'client ids',
  codes: 'how many codes a set has',
  command: 'the command without its arguments',
  device: 'id of the remembered browser',
  factor: 'type of the authenticator',
  failures: 'how many wrong answers in a row',
  grant: 'the first characters of a hash of the grant',
  import: 'name of the file',
  keys: 'ids of keys',
  kind: 'kind of letter',
  left: 'how many are left',
  methods: '`password` and types of authenticators that were proved',
  model: '`AuthorizationCode`, `RefreshToken` or another of the engine',
  offline: 'whether grants that outlive a session were `kept` or `ended`',
  maxOffset: 'milliseconds',
  offset: 'milliseconds',
  operator: 'the operating system’s user who ran the command',
  password: '`hash` or `none`',
  reason: 'why, in one word; with a command what the administrator gave',
  reasons: 'what demanded more: `policy`, `request`, `client`, …',
  remembered: 'whether a remembered browser spared the second factor',
  rule: 'name of the policy rule',
  template: 'name of the letter',
  tries: 'how often it was tried',
  ttl: 'how long it is good for',
  username: 'the name the account had',
} as const

export type DetailName = keyof typeof DETAILS

export interface EventDescription {
  /** One sentence. */
  says: string
  details?: readonly DetailName[]
}

/** Commands add who ran them. */
const CLI: readonly DetailName[] = ['by', 'operator']

/**
 * What each event means. A name belongs here before anybody may write it; docs/events.md is made of those that somebody
 * writes.
 */
export const EVENTS: Readonly<Record<AuditEventName, EventDescription>> = {
  'login.ok': { says: 'Somebody signed in.', details: ['methods'] },
  'login.fail': { says: 'A password was wrong, or access was denied after it.', details: ['reason', 'rule'] },
  'login.throttled': { says: 'A password was not looked at: too many were wrong.' },
  'password.changed': { says: 'A password was set; every session ended.', details: [...CLI, 'reason'] },
  'password.rehashed': { says: 'A right password got a stronger hash.' },
  'password.reset.requested': { says: 'A link to set a new password was asked for.', details: ['reason'] },
  'password.reset.done': { says: 'A password was set with such a link; every session ended.', details: ['reason'] },
  'otp.sent': { says: 'A code was mailed, or could not be.', details: ['factor', 'reason'] },
  'otp.ok': { says: 'A code was right.', details: ['factor', 'ceremony', 'reason'] },
  'otp.fail': { says: 'A code was wrong, late or one too many.', details: ['factor', 'ceremony', 'reason'] },
  'otp.replay': { says: 'A code was used a second time.', details: ['factor', 'ceremony', 'reason'] },
  'otp.locked': {
    says: 'A factor is locked after too many wrong codes in a row.',
    details: ['factor', 'ceremony', 'reason'],
  },
  'factor.added': { says: 'A factor was bound.', details: ['factor', 'ceremony'] },
  'factor.postponed': { says: 'Binding a factor was put off.', details: ['rule'] },
  'factor.removed': { says: 'The owner removed a factor.', details: ['factor'] },
  'factor.renamed': { says: 'The owner named a factor anew.', details: ['factor'] },
  'factor.shown': { says: 'The key of an authenticator app was shown to its owner again.', details: ['factor'] },
  'factor.unlocked': { says: 'An administrator unlocked a kind of factor.', details: [...CLI, 'factor', 'failures'] },
  'factor.admin_reset': {
    says: 'An administrator removed all factors and ended everything.',
    details: [...CLI, 'reason'],
  },
  'recovery.used': { says: 'A recovery code was used.', details: ['factor', 'left'] },
  'recovery.regenerated': { says: 'New recovery codes replaced the old ones.', details: ['codes'] },
  'bypass.issued': {
    says: 'An administrator gave out a one-use code to bind a factor with.',
    details: [...CLI, 'reason', 'ttl'],
  },
  'bypass.used': { says: 'Such a code was used: it proves nothing, and opens one binding.', details: ['factor'] },
  'email.verified': { says: 'A code sent to the address on record was entered.' },
  'email.change.requested': {
    says: 'The owner asked for another address; it counts once a code sent there is entered.',
    details: ['reason'],
  },
  'email.change.done': { says: 'The account has another address.', details: [...CLI, 'changed', 'reason'] },
  'device.trusted': { says: 'A browser was remembered.', details: ['device', 'reason'] },
  'device.used': { says: 'A remembered browser spared its owner a second factor.', details: ['device', 'reason'] },
  'device.revoked': { says: 'A remembered browser was forgotten.', details: ['device', 'reason'] },
  'device.reuse_detected': {
    says: 'A copy of a remembered browser’s cookie was used; the browser was forgotten.',
    details: ['device', 'reason'],
  },
  'session.created': { says: 'A session began.', details: ['methods', 'remembered'] },
  'session.ended': {
    says: 'A session was ended from elsewhere; the clients were told.',
    details: ['clients', 'offline'],
  },
  'session.disowned': { says: 'An owner said that a sign-in was not theirs.', details: ['reason'] },
  logout: { says: 'Somebody signed out.' },
  'backchannel.ok': { says: 'A client was told that a session has ended.' },
  'backchannel.fail': { says: 'A client could not be told that a session has ended.', details: ['tries'] },
  'step_up.required': { says: 'A session was not enough for a request.', details: ['reasons'] },
  'step_up.ok': { says: 'More was proved in a session.', details: ['methods', 'remembered'] },
  'step_up.fail': { says: 'What a request demands could not be reached.', details: ['reasons'] },
  'consent.granted': { says: 'Somebody allowed a client what it asked for.' },
  'code.replay': {
    says: 'An authorization code was used a second time; what it gave was revoked.',
    details: ['model', 'grant'],
  },
  'refresh.reuse_detected': {
    says: 'A refresh token was used a second time; what it gave was revoked.',
    details: ['model', 'grant'],
  },
  'client.auth.fail': { says: 'A client could not prove who it is.' },
  'csrf.rejected': { says: 'A form came from elsewhere.' },
  'host.rejected': { says: 'A request was for another host.' },
  'user.created': { says: 'An account was made.', details: [...CLI, 'admin', 'import', 'password'] },
  'user.changed': { says: 'An account was changed.', details: [...CLI, 'changed'] },
  'user.disabled': { says: 'An account was disabled; every session ended.', details: CLI },
  'user.enabled': { says: 'An account was enabled.', details: CLI },
  'user.deleted': { says: 'An account was removed.', details: [...CLI, 'username'] },
  'admin.command': { says: 'A command was run that changes no account itself.', details: [...CLI, 'command'] },
  'setup.answered': { says: 'Whether there is a second factor was answered.', details: [...CLI, 'answer'] },
  'setup.done': { says: 'Set-up is over.', details: CLI },
  'key.rotated': { says: 'New signing keys were published.', details: [...CLI, 'keys'] },
  'clock.wrong': { says: 'The clock differs from others.', details: ['offset', 'maxOffset'] },
  'mail.sent': { says: 'A notice was handed to the mail server.', details: ['template', 'kind', 'tries'] },
  'mail.given_up': { says: 'A notice could not be sent for seven days.', details: ['template', 'kind', 'tries'] },
  'config.loaded': { says: 'A configuration is in force.' },
  'decrypt.fail': { says: 'A stored secret could not be read.' },
  'store.unavailable': { says: 'A store did not answer.' },
}

/** Detail names of these records that the table does not promise. */
export function undescribed(
  records: readonly { event: AuditEventName; details?: Readonly<Record<string, unknown>> | undefined }[],
): string[] {
  const found = records.flatMap(({ event, details = {} }) =>
    Object.entries(details)
      .filter(([, value]) => value !== undefined)
      .filter(([name]) => !EVENTS[event].details?.some((known) => known === name))
      .map(([name]) => `${event}: ${name}`),
  )
  return [...new Set(found)].sort()
}
