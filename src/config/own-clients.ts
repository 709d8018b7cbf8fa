/** The relying parties that the gateway is to itself, for the account page; no file may name another client so. */
export const OWN_CLIENTS = { view: 'stepgate-account', change: 'stepgate-account-change' } as const

/** Which of them a client id is; undefined for everybody else's. */
export function ownPageOf(clientId: string | undefined): keyof typeof OWN_CLIENTS | undefined {
  if (clientId === OWN_CLIENTS.view) return 'view'
  return clientId === OWN_CLIENTS.change ? 'change' : undefined
}
