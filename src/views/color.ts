import { ConfigError } from '../kernel/errors.ts'

type Rgb = readonly [red: number, green: number, blue: number]

/** One brand colour, made readable on one theme. `#rrggbb`. */
export interface Accent {
  /** For buttons, links and rings: at least 4.5 to 1 on every ground of the theme (WCAG 2.2, 1.4.3). */
  color: string
  /** Under the pointer: further from the ground. */
  strong: string
  /** Text on either: at least 4.5 to 1. */
  on: string
}

/** What the accent lies on at worst: `--tint` of `stepgate.css`, which the surfaces exceed. */
export const GROUND = { light: '#f3f4f6', dark: '#24282f' } as const

const WHITE: Rgb = [255, 255, 255]
const INK: Rgb = [13, 15, 18]
const READABLE = 4.5
const STEP = 0.02

/**
 * Keeps the hue and moves towards ink or white only as far as reading needs. Throws `ConfigError` unless `#rgb` or
 * `#rrggbb`.
 */
export function accentFor(brand: string, theme: keyof typeof GROUND): Accent {
  const ground = parse(GROUND[theme])
  const away = theme === 'light' ? INK : WHITE
  let share = 0
  let color = parse(brand)
  while (contrast(color, ground) < READABLE && share < 1) {
    share += STEP
    color = mix(parse(brand), away, share)
  }
  const strong = mix(color, away, 0.14)
  const on = contrast(WHITE, color) >= READABLE ? WHITE : INK
  return { color: format(color), strong: format(strong), on: format(on) }
}

/** Contrast ratio of two `#rrggbb` (WCAG 2.2): 1 to 21. */
export function contrastOf(one: string, other: string): number {
  return contrast(parse(one), parse(other))
}

function parse(color: string): Rgb {
  const short = /^#([0-9a-f])([0-9a-f])([0-9a-f])$/i.exec(color)
  const digits = short ? short.slice(1).map((digit) => digit + digit) : /^#(..)(..)(..)$/.exec(color)?.slice(1)
  const [red, green, blue] = (digits ?? []).map((pair) =>
    /^[0-9a-f]{2}$/i.test(pair) ? parseInt(pair, 16) : undefined,
  )
  if (red === undefined || green === undefined || blue === undefined) {
    throw new ConfigError('branding.color', 'is not a colour like #2457d6')
  }
  return [red, green, blue]
}

function format(color: Rgb): string {
  return `#${color.map((channel) => Math.round(channel).toString(16).padStart(2, '0')).join('')}`
}

function mix(color: Rgb, other: Rgb, share: number): Rgb {
  const part = (channel: 0 | 1 | 2): number => color[channel] + (other[channel] - color[channel]) * share
  return [part(0), part(1), part(2)]
}

function contrast(one: Rgb, other: Rgb): number {
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a)
  return (light + 0.05) / (dark + 0.05)
}

function luminance(color: Rgb): number {
  const [red = 0, green = 0, blue = 0] = color.map((channel) => {
    const value = channel / 255
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}
