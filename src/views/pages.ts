import { type Asset, type Branding, createAssets } from './assets.ts'
import type { Renderer } from './renderer.ts'
import type { Texts, TextValues } from './texts.ts'

/** The problems that a page names in `data-error`: public, stable words. */
export type DataError =
  | 'credentials'
  | 'code'
  | 'expired'
  | 'throttled'
  | 'locked'
  | 'mail'
  | 'no-address'
  | 'clock'
  | 'unavailable'
  | 'csrf'

export interface PageError {
  code:
    | DataError
    | 'password'
    | 'address'
    | 'username'
    | 'confirm'
    | 'client'
    | 'bad-request'
    | 'not-found'
    | 'method-not-allowed'
    | 'too-large'
    | 'protocol'
    | 'not-signed-in'
    | 'last-factor'
    | 'internal'
  /** Which of the texts `<code>-<reason>` says it. */
  reason?: string
  /** Milliseconds until another try makes sense. */
  retryAfter?: number
  /** `clock`: by how much the clocks differ. */
  minutes?: number
  /** `password`: the least number of characters. */
  least?: number
}

export interface Page {
  /** `data-page`. Its texts are `<name>.title` and, where they differ from those all pages share, `<name>.errors.*`. */
  name: string
  view: string
  /** One of the configured languages. */
  locale: string
  /** To whom the page's links and forms tell where they stood. */
  referrer?: 'same-origin' | 'no-referrer'
  error?: PageError
  /** A text below `notices`. */
  notice?: string
  form?: { action: string; csrf: string; step: string }
  /** Who asked for the sign-in. `logo`: one of `clientLogos`; the pages load nothing from other hosts (WE-14). */
  client?: { name: string; uri?: string; logo?: string }
  data: Record<string, unknown>
}

export interface Pages {
  /** The whole document. Nothing in it needs inline script or style (WE-6). */
  render(page: Page): string
  /** By URL path; these addresses stand in the pages. */
  assets: ReadonlyMap<string, Asset>
}

export function createPages(
  options: { branding: Branding; clientLogos?: readonly string[] },
  dependencies: { texts: Texts; renderer: Renderer },
): Pages {
  const { branding, clientLogos = [] } = options
  const { texts, renderer } = dependencies
  const { files, links } = createAssets(branding, clientLogos)

  return {
    assets: files,
    render(page) {
      const client = clientOf(page, links.clients)
      const titleValues = { name: branding.name, client: client?.name ?? '' }
      const titleKeys = titlesOf(page, client)
      return renderer.render('layout', page.locale, {
        ...page.data,
        view: page.view,
        page: page.name,
        titleKeys,
        titleValues,
        documentTitle: texts.t(
          page.locale,
          page.error && page.name !== ERROR_PAGE ? 'document.problem' : 'document.title',
          {
            title: texts.t(page.locale, titleKeys, titleValues),
            name: branding.name,
          },
        ),
        error: page.error && { code: page.error.code, text: problemText(page.name, page.error, page.locale) },
        notice: page.notice,
        referrer: page.referrer ?? 'same-origin',
        form: page.form,
        client,
        brand: branding.name,
        links,
      })
    },
  }

  /** The page's own words for a problem, else the shared ones; with the wait where there is one to tell. */
  function problemText(name: string, error: PageError, locale: string): string {
    const { code, reason, retryAfter, minutes, least } = error
    const values: TextValues = { count: minutes ?? 1, least: least ?? 1 }
    const plain = [`${name}.errors.${code}`, `errors.${code}`]
    const keys =
      reason === undefined ? plain : [`${name}.errors.${code}-${reason}`, `errors.${code}-${reason}`, ...plain]
    if (retryAfter === undefined) return texts.t(locale, keys, values)
    const waits = [`${name}.errors.${code}-wait`, `errors.${code}-wait`]
    return texts.t(locale, [...waits, ...keys], { ...values, duration: texts.duration(locale, retryAfter) })
  }
}

const ERROR_PAGE = 'error'

interface ShownClient {
  name: string
  /** Only of an https address: it becomes a link. */
  link: { href: string; host: string } | undefined
  /** Address of the picture. */
  logo: string | undefined
}

function clientOf({ client, data }: Page, logos: ReadonlyMap<string, string>): ShownClient | undefined {
  if (client !== undefined) return { name: client.name, link: linkTo(client.uri), logo: logos.get(client.logo ?? '') }
  return typeof data.client === 'string' ? { name: data.client, link: undefined, logo: undefined } : undefined
}

function linkTo(uri: string | undefined): ShownClient['link'] {
  if (uri === undefined || !URL.canParse(uri)) return undefined
  const { protocol, href, host } = new URL(uri)
  return protocol === 'https:' ? { href, host } : undefined
}

function titlesOf({ name, error }: Page, client: ShownClient | undefined): string[] {
  if (name === ERROR_PAGE) return [`error.titles.${error?.code ?? 'internal'}`]
  return [
    ...(error === undefined ? [] : [`${name}.titles.${error.code}`]),
    ...(client === undefined ? [] : [`${name}.title-client`]),
    `${name}.title`,
  ]
}
