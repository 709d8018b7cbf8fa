import { z } from 'zod'
import { duration, whole } from './fields.ts'

/** Numbers of ours that no standard fixes; the rows of security.md they answer stand in brackets. */
export const limits = z
  .strictObject({
    codesPerInteraction: whole(
      { from: 1, to: 10, default: 5 },
      'Wrong one-time codes in one sign-in, over all its codes (RL-2).',
    ),
    codesPerHour: whole({ from: 1, to: 100, default: 10 }, 'Wrong one-time codes per account and hour (RL-2).'),
    codesPerDay: whole({ from: 1, to: 300, default: 30 }, 'Wrong one-time codes per account and day (RL-2, RL-3).'),
    codeFailuresInARow: whole(
      { from: 5, to: 100, default: 100 },
      'Wrong codes in a row after which this kind of factor is locked until an administrator acts (RL-1).',
    ),
    mailsPerInteraction: whole(
      { from: 0, to: 10, default: 3 },
      'Further mails with a code that a user can ask for in one sign-in (EM-7).',
    ),
    mailsPerDay: whole({ from: 1, to: 200, default: 10 }, 'Mails with a code per account and day (EM-7).'),
    passwordTries: whole(
      { from: 1, to: 100, default: 5 },
      'Wrong passwords per account and network before the delay starts (RL-2).',
    ),
    passwordDelay: duration(
      { from: '1s', to: '1h', default: '30s' },
      'The first delay after too many wrong passwords; it doubles with each further one (RL-2).',
    ),
    passwordDelayMax: duration({ from: '1s', to: '24h', default: '1h' }, 'The longest delay (RL-2).'),
    passwordFailuresPerAddress: whole(
      { from: 1, to: 100_000, default: 20 },
      'Wrong passwords per client address and `passwordWindow`, over all accounts (RL-2).',
    ),
    passwordWindow: duration(
      { from: '1m', to: '24h', default: '15m' },
      'The window of `passwordFailuresPerAddress` (RL-2).',
    ),
    accountsPerAddress: whole(
      { from: 1, to: 100_000, default: 100 },
      'Different accounts tried per client address and hour (RL-2).',
    ),
    resetsPerHour: whole(
      { from: 1, to: 20, default: 3 },
      'Mails with a link to a new password per account and hour (PW-16).',
    ),
    resetsPerAddress: whole(
      { from: 1, to: 10_000, default: 20 },
      'Requests for such a mail per client address and hour, whoever they are for (EN-4).',
    ),
    clientAuthPerMinute: whole(
      { from: 1, to: 10_000, default: 20 },
      'Failed authentications of one client from one address per minute (RL-9).',
    ),
    interactionsPerAddress: whole(
      { from: 10, to: 1_000_000, default: 300 },
      'Sign-ins begun per client address in 15 minutes (DO-5).',
    ),
    hashQueue: whole(
      { from: 1, to: 10_000, default: 64 },
      'Passwords that wait to be checked at the same time; one more is answered 503 (DO-1).',
    ),
    hashWait: duration({ from: '100ms', to: '30s', default: '2s' }, 'How long a password waits to be checked (DO-1).'),
    bodyBytes: whole({ from: 1024, to: 1_048_576, default: 16_384 }, 'Size of a form (DO-3).'),
    headerBytes: whole({ from: 4096, to: 65_536, default: 16_384 }, 'Size of the headers of a request (DO-3).'),
    parameters: whole({ from: 20, to: 1000, default: 100 }, 'Parameters of a request (DO-3).'),
    connections: whole({ from: 10, to: 100_000, default: 2000 }, 'Open connections per worker (DO-4).'),
    deviceGrace: duration(
      { from: '0s', to: '10m', default: '60s' },
      'How long the previous secret of a remembered device is taken for a lost answer and not for theft (TD-5).',
    ),
  })
  .prefault({})
  .describe('Limits against guessing and overload. Wrong values weaken the product; the defaults are safe.')
