import { fileURLToPath } from 'node:url'
import { generateSecret } from 'otplib'
import pg from 'pg'
import { freePort } from '../test/harness/services.ts'
import { createPeople } from './baseline/people.ts'
import type { Member } from './crowd.ts'
import { CLIENT, PASSWORD, type ServerProcess, startServer } from './server-process.ts'
import type { Kind, Stores } from './subject.ts'

const SERVER = fileURLToPath(new URL('baseline/server.ts', import.meta.url))

export const baseline: Kind = {
  name: 'baseline',

  async start(stores, options): Promise<ServerProcess> {
    const port = await freePort()
    const settings = { port, redis: stores.redis, postgres: stores.postgres, client: CLIENT }
    const environment = { BASELINE: JSON.stringify(settings) }
    return startServer({ program: [SERVER], port, environment, ...options })
  },

  /** Accounts with their TOTP keys, straight into the table: this server has no page that binds an app. */
  async enrol(stores: Stores, { accounts, passwordHash }): Promise<Member[]> {
    const pool = new pg.Pool({ connectionString: stores.postgres })
    await createPeople(pool)
    const members: Member[] = []
    for (let number = 0; number < accounts; number++) {
      const username = `person${number}`
      const secret = generateSecret({ length: 20 })
      const text = `insert into people (id, username, email, name, password_hash, totp_secret) values ($1, $2, $3, $4, $5, $6)`
      const values = [`id-${number}`, username, `${username}@example.com`, `Person ${number}`, passwordHash, secret]
      await pool.query(text, values)
      members.push({ username, password: PASSWORD, secret })
    }
    await pool.end()
    return members
  },
}
