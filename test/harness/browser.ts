import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { AxeResults, Result, RunOptions } from 'axe-core'
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from 'playwright-core'
import { decodeQrImage } from './qr.ts'
import { type Guard, guardFolder, pathOf } from './services.ts'

export interface ContextOptions {
  /** CSS pixels; default 1024. */
  width?: number
  height?: number
  theme?: 'light' | 'dark'
  locale?: string
  /** Default `on`. */
  javaScript?: 'on' | 'off'
  reducedMotion?: 'reduce' | 'no-preference'
  headers?: Record<string, string>
}

export interface Chromium {
  /** A browser of its own as far as sites can tell: no cookie of another context. */
  newContext(options?: ContextOptions): Promise<BrowserContext>
  close(): Promise<void>
}

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--in-process-gpu',
  '--disable-software-rasterizer',
  // Pages of one site share a process: most of what a page costs is the start of its own.
  '--renderer-process-limit=1',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/**
 * Debian's Chromium with a fresh profile, which is removed by `close`, or when the test process
 * ends without. `trust` is the authority of `createCertificates`, behind which https is not questioned.
 */
export async function startChromium(options: { trust?: { fingerprint: string } } = {}): Promise<Chromium> {
  const trust =
    options.trust === undefined ? [] : [`--ignore-certificate-errors-spki-list=${options.trust.fingerprint}`]
  const browser = await chromium.launch({
    executablePath: pathOf('chromium-headless-shell'),
    args: [...FLAGS, ...trust],
  })
  const guard = await guardProfile(browser)
  return {
    async newContext(context = {}) {
      const { width = 1024, height = 768, theme = 'light', locale = 'en', javaScript = 'on', headers } = context
      const made = await browser.newContext({
        viewport: { width, height },
        colorScheme: theme,
        locale,
        javaScriptEnabled: javaScript === 'on',
        reducedMotion: context.reducedMotion ?? 'reduce',
        ...(headers === undefined ? {} : { extraHTTPHeaders: headers }),
      })
      made.setDefaultTimeout(PATIENCE)
      if (javaScript === 'off') withoutScripts.add(made)
      return made
    },
    async close() {
      guard.watch('none')
      await browser.close()
      guard.release()
    },
  }
}

const PATIENCE = 15_000

/** For tests that are killed: Chromium then ends by itself, but its profile, which Playwright made, would stay. */
async function guardProfile(browser: Browser): Promise<Guard> {
  const session = await browser.newBrowserCDPSession()
  const { processInfo } = await session.send('SystemInfo.getProcessInfo')
  await session.detach()
  const pid = processInfo.find(({ type }) => type === 'browser')?.id
  if (pid === undefined) throw new Error('Chromium has no process')
  const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  const [, profile] = /--user-data-dir=([^\0]+)/.exec(command) ?? []
  if (profile === undefined) throw new Error('Chromium has no profile')
  const guard = guardFolder(profile)
  guard.watch(pid)
  return guard
}

const withoutScripts = new WeakSet<BrowserContext>()

/** What axe-core finds against WCAG and its best practices; empty is good. */
export async function axe(page: Page, options: RunOptions = {}): Promise<Result[]> {
  if (!withoutScripts.has(page.context())) return judge(page, options)
  // axe-core waits for timers, which stand still where scripts are off: a copy of the page is judged instead.
  const copy = await copyOf(page)
  try {
    return await judge(copy, options)
  } finally {
    await copy.context().close()
  }
}

async function judge(page: Page, options: RunOptions): Promise<Result[]> {
  const there = await page.evaluate(() => 'axe' in globalThis)
  if (!there) await page.evaluate(axeSource())
  return page.evaluate(async (given) => {
    const { axe: injected } = globalThis as unknown as { axe: { run(options: unknown): Promise<AxeResults> } }
    // What is in order stays there: it would be most of what has to come back.
    return (await injected.run({ ...given, resultTypes: ['violations'] })).violations
  }, options)
}

/** The page as it stands, in a context that could run scripts, though its own are blocked. */
async function copyOf(page: Page): Promise<Page> {
  const browser = page.context().browser()
  if (browser === null) throw new Error('the page has no browser')
  const { theme, locale } = await page.evaluate(() => ({
    theme: matchMedia('(prefers-color-scheme: dark)').matches ? ('dark' as const) : ('light' as const),
    locale: navigator.language,
  }))
  const context = await browser.newContext({ viewport: page.viewportSize(), colorScheme: theme, locale })
  const copy = await context.newPage()
  const html = (await page.content()).replace(/(<\/?)noscript\b/g, '$1div')
  const headers = { 'content-security-policy': "script-src 'none'" }
  await copy.route(page.url(), (route) =>
    route.fulfill({ contentType: 'text/html; charset=utf-8', headers, body: html }),
  )
  await copy.goto(page.url())
  return copy
}

/** One line per violation, for assertion messages: `color-contrast (serious): .hint`. */
export function violationsOf(results: readonly Result[]): string[] {
  return results.map(({ id, impact, nodes }) => `${id} (${impact}): ${nodes.map(({ target }) => target).join(', ')}`)
}

let source: string | undefined

function axeSource(): string {
  source ??= readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  return source
}

/**
 * The text of the QR code as a phone would read it: from the pixels on the screen. Rejects when no code is readable.
 */
export async function decodeQr(page: Page, image: Locator = page.locator('img[alt^="QR"]')): Promise<string> {
  return decodeQrImage(await image.screenshot())
}

/**
 * What a person could not read: elements that reach beyond the sides of the window, and elements that hide a part of
 * their own text. Descriptions such as `button#next.primary "Sign in": 40 px beyond the window`; empty is good.
 */
export async function overflow(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth
    const nameOf = (element: Element): string => {
      const id = element.id === '' ? '' : `#${element.id}`
      const classes = [...element.classList].map((each) => `.${each}`).join('')
      return `${element.localName}${id}${classes} "${(element.textContent ?? '').trim().slice(0, 40)}"`
    }
    const isSeen = (element: Element): boolean => {
      const { width: wide, height: high } = element.getBoundingClientRect()
      // Texts for screen readers alone are one pixel large on purpose.
      return wide > 1 && high > 1 && element.checkVisibility({ visibilityProperty: true, opacityProperty: true })
    }
    const beyond = (element: Element): string[] => {
      const { left, right } = element.getBoundingClientRect()
      const most = Math.max(right - width, -left)
      return most > 1 ? [`${nameOf(element)}: ${Math.round(most)} px beyond the window`] : []
    }
    const clipped = (element: Element): string[] => {
      const { overflowX, overflowY } = getComputedStyle(element)
      const cuts = (value: string): boolean => value === 'hidden' || value === 'clip'
      const wide = cuts(overflowX) ? element.scrollWidth - element.clientWidth : 0
      const high = cuts(overflowY) ? element.scrollHeight - element.clientHeight : 0
      return Math.max(wide, high) > 1 ? [`${nameOf(element)}: ${Math.max(wide, high)} px of it are hidden`] : []
    }
    const elements = [...document.body.querySelectorAll('*')].filter(isSeen)
    return elements.flatMap((element) => [...beyond(element), ...clipped(element)])
  })
}
