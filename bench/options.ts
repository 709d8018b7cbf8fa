import { parseArgs } from 'node:util'

export interface Options {
  rounds: number
  /** Per server and round. */
  signIns: number
  concurrency: number
  accounts: number
  /** Of each server before the first round, until its code is compiled. */
  warmUp: number
  /** Profiles both servers instead of measuring them. */
  profile: boolean
  /** Compares the baseline with itself: what is left is the noise. */
  self: boolean
  /** Rewrites the gateway's file under load instead of comparing it. */
  reload: boolean
  /** How long it is rewritten. */
  seconds: number
}

export const USAGE = `npm run bench -- [--quick] [--rounds N] [--signins N] [--concurrency N] [--accounts N] [--warm-up N] [--profile] [--self] [--reload [--seconds N]]`

/** Throws for what it does not know. */
export function readOptions(given: string[]): Options {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  const options = {
    rounds: text,
    signins: text,
    concurrency: text,
    accounts: text,
    'warm-up': text,
    seconds: text,
  } as const
  const { values } = parseArgs({
    args: given,
    options: { ...options, quick: flag, profile: flag, self: flag, reload: flag },
  })
  const number = (name: keyof typeof options, usual: number, quick: number): number => {
    const value = Number(values[name] ?? (values.quick === true ? quick : usual))
    if (!Number.isInteger(value) || value < 1) throw new Error(`--${name}: a whole number from 1 on`)
    return value
  }
  const signIns = number('signins', 400, 100)
  return {
    rounds: number('rounds', 7, 2),
    signIns,
    concurrency: number('concurrency', 8, 8),
    // Each account's app shows two usable codes at a time.
    accounts: number('accounts', Math.max(1000, signIns), Math.max(600, signIns)),
    warmUp: number('warm-up', 1000, 100),
    profile: values.profile === true,
    self: values.self === true,
    reload: values.reload === true,
    seconds: number('seconds', 60, 15),
  }
}
