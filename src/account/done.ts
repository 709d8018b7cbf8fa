/** What the account page can say after a change: the texts below `account.done`, and nothing that an address could bring along. */
export const DONE: ReadonlySet<string> = new Set([
  'confirmed',
  'factor-added',
  'factor-bound',
  'factor-renamed',
  'factor-removed',
  'device-forgotten',
  'devices-forgotten',
  'session-ended',
  'sessions-ended',
  'password-changed',
  'address-changed',
  'language-changed',
])
