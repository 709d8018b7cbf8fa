import { RequestError } from '../kernel/errors.ts'
import { browserOf } from '../mail/user-agent.ts'
import type { Sessions } from '../mfa/session/sessions.ts'
import type { Section } from './section.ts'

const HERE = '/account#sessions'

/**
 * Where the account is signed in (SE-9). To end a session needs a fresh second factor, so that somebody who has found
 * an open browser cannot sign its owner out elsewhere.
 */
export function sessionsSection(dependencies: {
  sessions: Sessions
  /** What people call a relying party. */
  nameOf: (clientId: string) => string
}): Section {
  const { sessions, nameOf } = dependencies
  return {
    name: 'sessions',
    async show({ account, session }) {
      const list = await sessions.list(account)
      return {
        sessions: list.map(({ id, userAgent, address, clients, startedAt, lastUsedAt, expiresAt }) => ({
          id,
          browser: browserOf(userAgent),
          address,
          clients: clients.map(nameOf),
          startedAt,
          lastUsedAt,
          expiresAt,
          current: id === session.uid,
        })),
      }
    },
    actions: {
      end: {
        async act({ account }, form) {
          if (!(await sessions.end(account.id, form.get('id') ?? ''))) throw new RequestError('not-found')
          return { to: HERE, notice: 'session-ended' }
        },
      },
      'end-all': {
        async act({ account, session }) {
          await sessions.endAll(account.id, { except: session.uid })
          return { to: HERE, notice: 'sessions-ended' }
        },
      },
    },
  }
}
