import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'

/** What has the focus, such as `input#code` or `button "Cancel"`; asserts that a person sees it. */
export async function focused(page: Page): Promise<string> {
  let { name, outline, seen } = await focusOf(page)
  // A busy browser scrolls a little later.
  for (let time = 0; !seen && time < 20; time++) {
    await page.waitForTimeout(50)
    ;({ name, outline, seen } = await focusOf(page))
  }
  assert.ok(outline >= 2, `${name} does not show that it has the focus`)
  assert.ok(seen, `${name} has the focus outside the window`)
  return name
}

async function focusOf(page: Page): Promise<{ name: string; outline: number; seen: boolean }> {
  return page.evaluate(() => {
    const element = document.activeElement as HTMLElement
    const { outlineStyle, outlineWidth } = getComputedStyle(element)
    const { top, bottom } = element.getBoundingClientRect()
    const id = element.id === '' ? '' : `#${element.id}`
    const words = [...element.childNodes].map(({ textContent }) => textContent).join(' ')
    const isField = element instanceof HTMLInputElement || element instanceof HTMLSelectElement
    const field = isField ? id || `[name=${element.name}]` : ` "${words.trim()}"`
    return {
      name: `${element.localName}${field}`.replace(/\s+/g, ' '),
      outline: outlineStyle === 'none' ? 0 : Number.parseFloat(outlineWidth),
      seen: top >= 0 && bottom <= innerHeight,
    }
  })
}

/** Presses Tab so many times; answers where the focus came by. */
export async function tabs(page: Page, times: number): Promise<string[]> {
  const stops: string[] = []
  for (let time = 0; time < times; time++) {
    await page.keyboard.press('Tab')
    stops.push(await focused(page))
  }
  return stops
}

export async function backTo(page: Page, stop: string): Promise<void> {
  for (let time = 0; time < 10; time++) {
    if ((await focused(page)) === stop) return
    await page.keyboard.press('Shift+Tab')
  }
  assert.fail(`Shift and Tab do not lead to ${stop}`)
}

/**
 * Presses Tab until the focus is there, past the end of the page where need be; on the way the focus is always seen.
 */
export async function tabTo(page: Page, stop: string): Promise<void> {
  const stops = new Set<string>()
  for (let time = 0; time < 40; time++) {
    await page.keyboard.press('Tab')
    // Between the last stop and the first lies the browser itself.
    if (await page.evaluate(() => document.activeElement === document.body)) continue
    const reached = await focused(page)
    if (reached === stop) return
    stops.add(reached)
  }
  assert.fail(`Tab does not lead to ${stop}, but to ${[...stops].join(', ')}`)
}

/** What is typed at the focus and after each Tab. */
export async function typeInto(page: Page, fields: Record<string, string>): Promise<void> {
  for (const [stop, text] of Object.entries(fields)) {
    if ((await focused(page)) !== stop) assert.deepEqual(await tabs(page, 1), [stop])
    await page.keyboard.type(text)
  }
}
