import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** A page of the repository, from its top. */
export interface Page {
  path: string
  text: string
}

/** What the checks ask of the disk. */
export interface Tree {
  exists(path: string): boolean
  read(path: string): string
}

export function readPages(): Page[] {
  return globSync('**/*.md', { exclude: ['node_modules', 'data', '**/node_modules', '.git'] })
    .sort()
    .map((path) => ({ path, text: readFileSync(path, 'utf8') }))
}

export const disk: Tree = {
  exists: (path) => existsSync(path),
  read: (path) => (statSync(path).isFile() ? readFileSync(path, 'utf8') : ''),
}

const FENCE = /^(```|~~~)[\s\S]*?^\1[^\n]*$/gm
const CODE = /(`+)(?!`)[^\n]*?[^`]\1(?!`)/g
const INLINE = /\]\(\s*<?([^\s)>]+)>?(?:\s+"[^"]*")?\s*\)/g
const REFERENCE = /^\[[^\]]+\]:\s+(\S+)/gm
const TAG = /<(?:a|img)\s[^>]*?(?:href|src)="([^"]+)"/g

const prose = (text: string): string => text.replace(FENCE, '')

/** Targets of links and pictures, in whatever form they are written; code is none of them. */
export function linksIn(text: string): string[] {
  const plain = prose(text).replace(CODE, '``')
  return [INLINE, REFERENCE, TAG].flatMap((form) => [...plain.matchAll(form)].map(([, target = '']) => target))
}

/** What may stand behind `#`: as GitHub makes them of headings, the second of a kind with `-1`, and ids written out. */
export function anchorsIn(text: string): Set<string> {
  const anchors = new Set([...text.matchAll(/<a\s[^>]*?(?:id|name)="([^"]+)"/g)].map(([, id = '']) => id))
  for (const [, heading = ''] of prose(text).matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)) {
    const slug = slugOf(heading)
    let anchor = slug
    for (let times = 1; anchors.has(anchor); times++) anchor = `${slug}-${times}`
    anchors.add(anchor)
  }
  return anchors
}

function slugOf(heading: string): string {
  return heading
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-')
}

/**
 * What is wrong with the links of a page, each as `PAGE: TARGET: reason`. Other hosts are not asked: only the form is
 * looked at.
 */
export function brokenLinks({ path, text }: Page, tree: Tree): string[] {
  return linksIn(text).flatMap((target) => {
    const reason = reasonAgainst(target, { path, text }, tree)
    return reason === undefined ? [] : [`${path}: ${target}: ${reason}`]
  })
}

function reasonAgainst(target: string, page: Page, tree: Tree): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return reasonAgainstAddress(target)
  const [file = '', anchor] = target.split('#')
  if (file.startsWith('/')) return 'is a path of this machine: start from the folder of the page'
  const path = file === '' ? page.path : join(dirname(page.path), decodeURI(file))
  if (file !== '' && !tree.exists(path)) return 'is not there'
  if (anchor === undefined) return undefined
  const text = file === '' ? page.text : tree.read(path)
  return anchorsIn(text).has(anchor) ? undefined : 'has no such heading'
}

function reasonAgainstAddress(target: string): string | undefined {
  if (target.startsWith('mailto:'))
    return /^mailto:[^@\s]+@[^@\s]+\.[^@\s]+$/.test(target) ? undefined : 'is no address'
  if (!URL.canParse(target)) return 'is no address'
  const { protocol, hostname } = new URL(target)
  const here = hostname === 'localhost' || hostname === '127.0.0.1'
  if (protocol !== 'https:' && !(here && protocol === 'http:')) return 'is not https'
  return here || hostname.includes('.') ? undefined : 'has a host that is no name'
}
