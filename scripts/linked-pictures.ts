import { globSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'

/** Where the pictures lie that pages of the documentation show. */
export const LINKED_FOLDER = 'docs/images'
/** Where every picture is made; git ignores it. */
export const PICTURES_FOLDER = 'screenshots'

/** File names of the pictures that a page of the repository shows. */
export function linkedPictures(): string[] {
  const pages = globSync(['*.md', 'docs/**/*.md'])
  const links = pages.flatMap((page) => [...readFileSync(page, 'utf8').matchAll(/images\/[\w.-]+\.png/g)])
  return [...new Set(links.map(([path]) => basename(path)))].sort()
}
