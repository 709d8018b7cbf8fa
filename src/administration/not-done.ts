/**
 * A deed that was not done, and why: something that is to be expected, and that each face of the administration says in
 * its words.
 */
export interface NotDone<Reason extends string> {
  ok: false
  reason: Reason
}

/** The audit log needs to know why it is done, and nothing was given. */
export type NoReasonGiven = NotDone<'no-reason'>
