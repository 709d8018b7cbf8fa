import { z } from 'zod'
import { duration, whole } from './fields.ts'

/** Numbers of ours that no standard fixes; docs/limits.md says what each of them is for. */
export const limits = z
  .strictObject({
    codesPerInteraction: whole(
      { from: 1, to: 10, default: 5 },
      'Wrong one-time codes in one sign-in, over all its codes.',
    ),
    codesPerHour: whole({ from: 1, to: 100, default: 10 }, 'Wrong one-time codes per account and hour.'),
    codesPerDay: whole({ from: 1, to: 300, default: 30 }, 'Wrong one-time codes per account and day.'),
    codeFailuresInARow: whole(
      { from: 5, to: 100, default: 100 },
      'Wrong codes in a row after which this kind of factor is locked until an administrator acts.',
    ),
    mailsPerInteraction: whole(
      { from: 0, to: 10, default: 3 },
      'Further mails with a code that a user can ask for in one sign-in.',
    ),
    mailsPerDay: whole({ from: 1, to: 200, default: 10 }, 'Mails with a code per account and day.'),
    passwordTries: whole(
      { from: 1, to: 100, default: 5 },
      'Wrong passwords per account and network before the delay starts.',
    ),
    passwordDelay: duration(
      { from: '1s', to: '1h', default: '30s' },
      'The first delay after too many wrong passwords; it doubles with each further one.',
    ),
    passwordDelayMax: duration({ from: '1s', to: '24h', default: '1h' }, 'The longest delay.'),
    passwordFailuresPerAddress: whole(
      { from: 1, to: 100_000, default: 20 },
      'Wrong passwords per client address and `passwordWindow`, over all accounts.',
    ),
    passwordWindow: duration({ from: '1m', to: '24h', default: '15m' }, 'The window of `passwordFailuresPerAddress`.'),
    accountsPerAddress: whole(
      { from: 1, to: 100_000, default: 100 },
      'Different accounts tried per client address and hour.',
    ),
    resetsPerHour: whole({ from: 1, to: 20, default: 3 }, 'Mails with a link to a new password per account and hour.'),
    resetsPerAddress: whole(
      { from: 1, to: 10_000, default: 20 },
      'Requests for such a mail per client address and hour, whoever they are for.',
    ),
    clientAuthPerMinute: whole(
      { from: 1, to: 10_000, default: 20 },
      'Failed authentications of one client from one address per minute.',
    ),
    interactionsPerAddress: whole(
      { from: 10, to: 1_000_000, default: 300 },
      'Sign-ins begun per client address in 15 minutes.',
    ),
    hashQueue: whole(
      { from: 1, to: 10_000, default: 64 },
      'Passwords that wait to be checked at the same time; one more is answered 503.',
    ),
    hashWait: duration({ from: '100ms', to: '30s', default: '2s' }, 'How long a password waits to be checked.'),
    bodyBytes: whole({ from: 1024, to: 1_048_576, default: 16_384 }, 'Size of a form.'),
    headerBytes: whole({ from: 4096, to: 65_536, default: 16_384 }, 'Size of the headers of a request.'),
    parameters: whole({ from: 20, to: 1000, default: 100 }, 'Parameters of a request.'),
    connections: whole({ from: 10, to: 100_000, default: 2000 }, 'Open connections per worker.'),
    deviceGrace: duration(
      { from: '0s', to: '10m', default: '60s' },
      'How long the previous secret of a remembered device is taken for a lost answer and not for theft.',
    ),
  })
  .prefault({})
  .describe('Limits against guessing and overload. Wrong values weaken the product; the defaults are safe.')
