/** What `check` found out about one part. */
export interface Finding {
  check: string
  status: 'ok' | 'warn' | 'fail' | 'skip'
  detail: string
}

export type CheckResult = Omit<Finding, 'check'>

export const ok = (detail: string): CheckResult => ({ status: 'ok', detail })
export const warn = (detail: string): CheckResult => ({ status: 'warn', detail })
export const skip = (detail: string): CheckResult => ({ status: 'skip', detail })
export const fail = (reason: unknown): CheckResult => ({ status: 'fail', detail: detailOf(reason) })

/** Runs one check; when it throws, the check has failed for that reason. */
export async function find(check: string, work: () => Promise<CheckResult>): Promise<Finding> {
  try {
    return { check, ...(await work()) }
  } catch (error) {
    return { check, ...fail(error) }
  }
}

/** What happened and why, in one line. */
export function detailOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const reason = error.cause === undefined ? '' : detailOf(error.cause)
  const text = reason === '' || error.message.includes(reason) ? error.message : `${error.message}: ${reason}`
  // An AggregateError of a failed connection (no address of a host answers) has no message, but a code.
  return text.replace(/\s+/g, ' ').trim() || ('code' in error ? String(error.code) : error.name)
}
