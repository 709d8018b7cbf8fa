import { verify } from '@node-rs/argon2'
import { verifySync } from 'otplib'
import type { Pool } from 'pg'

interface Person {
  id: string
  username: string
  email: string
  name: string
}

const PERIOD = 30

const TABLE = `create table if not exists people (
  id text primary key, username text not null unique, email text not null, name text not null,
  password_hash text not null, totp_secret text not null, totp_step bigint not null default 0)`

/** Accounts with their TOTP secrets in PostgreSQL: one query to read, one UPDATE to burn a time step. */
export interface People {
  find(id: string): Promise<Person | undefined>
  authenticate(username: string, password: string): Promise<Person | undefined>
  /** Each time step is accepted once. */
  checkCode(id: string, code: string): Promise<boolean>
}

export async function createPeople(pool: Pool): Promise<People> {
  await pool.query(TABLE)
  return {
    async find(id) {
      const { rows } = await pool.query<Person>('select id, username, email, name from people where id = $1', [id])
      return rows[0]
    },
    async authenticate(username, password) {
      const text = 'select id, username, email, name, password_hash as hash from people where username = $1'
      const { rows } = await pool.query<Person & { hash: string }>(text, [username])
      const [person] = rows
      return person !== undefined && (await verify(person.hash, password)) ? person : undefined
    },
    async checkCode(id, code) {
      const text = 'select totp_secret as secret, totp_step as step from people where id = $1'
      const { rows } = await pool.query<{ secret: string; step: string }>(text, [id])
      const [row] = rows
      if (row === undefined || !/^\d{6}$/.test(code)) return false
      const options = { secret: row.secret, token: code, epochTolerance: PERIOD, afterTimeStep: Number(row.step) }
      const result = verifySync(options)
      if (!result.valid || !('timeStep' in result)) return false
      const burn = 'update people set totp_step = $2 where id = $1 and totp_step < $2'
      const { rowCount } = await pool.query(burn, [id, result.timeStep])
      return rowCount === 1
    },
  }
}
