import { randomToken } from '../../kernel/secrets.ts'

/** An entry under `clients:` as it stands in the file, keys in the order in which people read them. */
export type ClientEntry = Readonly<Record<string, string | boolean | readonly string[]>> & { client_id: string }

/** What is said about a new client, on the command line or at set-up. */
export interface ClientFacts {
  id: string
  name: string | undefined
  redirects: readonly string[]
}

type Preset = (facts: ClientFacts) => Omit<ClientEntry, 'client_id'>

/** Origins, each once: where the application itself lives. */
const originsOf = (redirects: readonly string[]): string[] => {
  const web = redirects.map((uri) => new URL(uri)).filter(({ protocol }) => /^https?:$/.test(protocol))
  return [...new Set(web.map(({ origin }) => origin))]
}
/** Where to return to after signing out: the application's front page. */
const frontPages = (redirects: readonly string[]): string[] => originsOf(redirects).map((origin) => `${origin}/`)

export const PRESETS = {
  /** An application with a server of its own, which can keep a secret. */
  web: ({ redirects }) => ({
    client_secret: randomToken(),
    redirect_uris: redirects,
    post_logout_redirect_uris: frontPages(redirects),
  }),
  /** NocoBase sends no PKCE challenge. */
  nocobase: ({ redirects }) => ({
    client_secret: randomToken(),
    redirect_uris: redirects,
    post_logout_redirect_uris: frontPages(redirects),
    pkce: 'optional',
  }),
  /** Runs in the browser: no secret, PKCE, and calls from its own origin. */
  spa: ({ redirects }) => ({
    token_endpoint_auth_method: 'none',
    redirect_uris: redirects,
    post_logout_redirect_uris: frontPages(redirects),
    grant_types: ['authorization_code', 'refresh_token'],
    allowOrigins: originsOf(redirects),
  }),
  /** An app on a phone or a desktop (RFC 8252): no secret, PKCE. */
  native: ({ redirects }) => ({
    application_type: 'native',
    token_endpoint_auth_method: 'none',
    redirect_uris: redirects,
    grant_types: ['authorization_code', 'refresh_token'],
  }),
  /** A program that acts for itself. */
  machine: () => ({ client_secret: randomToken(), grant_types: ['client_credentials'] }),
} satisfies Record<string, Preset>

export type PresetName = keyof typeof PRESETS

export function entryOf(preset: PresetName, facts: ClientFacts): ClientEntry {
  const { id, name } = facts
  return { client_id: id, ...(name !== undefined && { client_name: name }), ...PRESETS[preset](facts) }
}
