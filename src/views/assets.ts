import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { extname } from 'node:path'
import type { Config } from '../config/config.ts'
import { ConfigError } from '../kernel/errors.ts'
import { accentFor } from './color.ts'

/** A file of the pages, for everybody, for ever: its address changes with its content. */
export interface Asset {
  type: string
  body: Buffer
  immutable: true
}

/** What the file says of it; its colour is made readable on both themes. */
export type Branding = Config['branding']

/** Where a page finds its files. */
export interface AssetLinks {
  style: string
  script: string
  icon: string
  logo: string | undefined
  /** By the path of the picture in the file. */
  clients: ReadonlyMap<string, string>
}

const LOGO_TYPES: Readonly<Record<string, string>> = {
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.webp': 'image/webp',
}

/**
 * Reads and stamps the files once; `clientLogos` are absolute paths. Throws `ConfigError` for a logo that cannot be
 * shown.
 */
export function createAssets(
  branding: Branding,
  clientLogos: readonly string[] = [],
): { files: ReadonlyMap<string, Asset>; links: AssetLinks } {
  const files = new Map<string, Asset>()

  function add(name: string, asset: { extension: string; type: string; body: Buffer }): string {
    const { extension, type, body } = asset
    const hash = createHash('sha256').update(body).digest('hex').slice(0, 16)
    const path = `/assets/${name}.${hash}${extension}`
    files.set(path, { type, body, immutable: true })
    return path
  }

  const style = Buffer.from(`${themeOf(branding.color)}${bundled('stepgate.css')}`)
  const links = {
    style: add('stepgate', { extension: '.css', type: 'text/css; charset=utf-8', body: style }),
    script: add('stepgate', { extension: '.js', type: 'text/javascript; charset=utf-8', body: bundled('stepgate.js') }),
    icon: add('icon', { extension: '.svg', type: 'image/svg+xml', body: iconOf(branding.color) }),
    logo: branding.logo === undefined ? undefined : add('logo', logoOf(branding.logo, 'branding.logo')),
    clients: new Map(clientLogos.map((path) => [path, add('client', logoOf(path, 'clients.logo'))])),
  }
  return { files, links }
}

/** The brand's colour as the variables `stepgate.css` paints with. */
function themeOf(color: string): string {
  const variables = (theme: 'light' | 'dark'): string => {
    const accent = accentFor(color, theme)
    return `:root{--accent:${accent.color};--accent-strong:${accent.strong};--on-accent:${accent.on}}`
  }
  return `${variables('light')}\n@media (prefers-color-scheme:dark){${variables('dark')}}\n`
}

function bundled(name: string): Buffer {
  return readFileSync(new URL(`../../views/assets/${name}`, import.meta.url))
}

function iconOf(color: string): Buffer {
  const { color: fill, on } = accentFor(color, 'light')
  return Buffer.from(`${bundled('icon.svg')}`.replaceAll('#0000ff', fill).replaceAll('#ffffff', on))
}

function logoOf(path: string, key: string): { extension: string; type: string; body: Buffer } {
  const extension = extname(path).toLowerCase()
  const type = LOGO_TYPES[extension]
  if (type === undefined) throw new ConfigError(key, `must be one of ${Object.keys(LOGO_TYPES).join(', ')}`)
  try {
    return { extension, type, body: readFileSync(path) }
  } catch (cause) {
    throw new ConfigError(key, `${path} cannot be read (${(cause as NodeJS.ErrnoException).code})`)
  }
}
