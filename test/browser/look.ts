import type { Page } from 'playwright-core'

export const THEMES = ['light', 'dark'] as const
/** A small phone, and a window on a desk. */
export const SIZES = ['320', 'desktop'] as const

export type Theme = (typeof THEMES)[number]
export type Size = (typeof SIZES)[number]

export interface Look {
  theme: Theme
  size: Size
}

const PIXELS: Record<Size, { width: number; height: number }> = {
  '320': { width: 320, height: 568 },
  desktop: { width: 1024, height: 768 },
}

/** Shows the page that is open as it looks there, without loading it again. */
export async function lookAs(page: Page, { theme, size }: Look): Promise<void> {
  // What the mouse was left on would look as if it were pointed at.
  await page.mouse.move(0, 0)
  await page.setViewportSize(PIXELS[size])
  await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
}
