/** The relying parties that the gateway is to itself, for the account page; no file may name another client so. */
export const OWN_CLIENTS = { view: 'stepgate-account', change: 'stepgate-account-change' } as const
