import { after, before } from 'node:test'
import { createTestSite, type TestSite, type TestSiteOptions } from './site.ts'
import { onStores, type StoresKind } from './stores.ts'

/**
 * A site for the suite it is called in: it starts before the first test and ends after the last, and nothing of it can
 * be read earlier.
 */
export function siteForSuite(start: () => Promise<TestSite>): TestSite {
  let running: TestSite | undefined
  before(async () => {
    running = await start()
  })
  after(() => running?.stop())
  return new Proxy({} as TestSite, {
    get(_, name) {
      if (running === undefined) throw new Error('the site starts before the first test')
      return Reflect.get(running, name)
    },
  })
}

/** `site` starts a site on the suite's stores for the suite it is called in. */
export type SiteSuite = (site: (options?: TestSiteOptions) => TestSite) => void

/** The same suite on each of these kinds of stores; `usual` are options that the suite's own are laid over. */
export function onSites(
  kinds: readonly StoresKind[],
  title: string,
  suite: SiteSuite,
  usual: TestSiteOptions = {},
): void {
  onStores(kinds, title, (stores) => {
    suite((options = {}) => siteForSuite(() => createTestSite({ ...usual, ...options, stores: stores() })))
  })
}
