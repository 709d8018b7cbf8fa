import type { Member } from './crowd.ts'
import type { ServerProcess, Start } from './server-process.ts'

/** Where a server keeps what it knows; all processes of a kind share them. */
export interface Stores {
  redis: string
  postgres: string
  /** An empty folder of its own, for configuration and keys. */
  folder: string
}

type StartOptions = Pick<Start, 'hash' | 'profile'>

/** What is compared: the gateway, and the baseline. */
export interface Kind {
  name: 'gateway' | 'baseline'
  start(stores: Stores, options: StartOptions): Promise<ServerProcess>
  /** Makes accounts with the benchmark's password. Members without a secret bind their app at their first sign-in. */
  enrol(stores: Stores, options: { accounts: number; passwordHash: string }): Promise<Member[]>
}
