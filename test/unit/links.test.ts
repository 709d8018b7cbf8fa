import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { anchorsIn, brokenLinks, disk, linksIn, readPages, type Tree } from './links.ts'

const pages = readPages()

describe('links of the documentation', () => {
  const tree: Tree = {
    exists: (path) => ['docs/a.md', 'docs/b c.md', 'docs/images/a.png'].includes(path),
    read: () => '# First\n\n## What it is: `code` & more\n\n## First\n',
  }
  const wrongIn = (text: string): string[] => brokenLinks({ path: 'docs/page.md', text }, tree)

  it('are found in every form, and not in code', () => {
    const text = [
      '[a](a.md) ![b](<b.png> "title") [![c](c.png)](c.md#d)',
      '[r]: https://example.org/r',
      '<img width="40" src="e.png">',
      '`[no](no.md)` ``[no](no.md)``',
      '```sh',
      '[no](no.md)',
      '```',
    ].join('\n')
    const found = ['a.md', 'b.png', 'c.png', 'c.md#d', 'https://example.org/r', 'e.png']
    assert.deepEqual(linksIn(text).sort(), found.sort())
  })

  it('lead to files and headings that are there', () => {
    assert.deepEqual(wrongIn('[a](a.md) [b](b%20c.md) ![](images/a.png) [c](a.md#first) [d](../docs/a.md#first-1)'), [])
    assert.deepEqual(wrongIn('# Here\n[a](#here)'), [])
    assert.deepEqual(wrongIn('[a](c.md)'), ['docs/page.md: c.md: is not there'])
    assert.deepEqual(wrongIn('![a](images/b.png)').length, 1)
    assert.deepEqual(wrongIn('[a](a.md#second)'), ['docs/page.md: a.md#second: has no such heading'])
    assert.deepEqual(wrongIn('[a](#there)').length, 1)
    assert.deepEqual(wrongIn('[a](/docs/a.md)').length, 1)
    assert.ok(anchorsIn(tree.read('')).has('what-it-is-code--more'))
  })

  it('to other hosts have the form of one', () => {
    assert.deepEqual(wrongIn('[a](https://example.org/x#y) [b](http://127.0.0.1:3000) [c](mailto:a@example.org)'), [])
    for (const wrong of ['http://example.org', 'https://example', 'https://', 'mailto:a', 'javascript:0']) {
      assert.equal(wrongIn(`[a](${wrong})`).length, 1, wrong)
    }
  })

  it('hold on every page', () => {
    assert.ok(pages.length > 15, `${pages.length}`)
    assert.deepEqual(
      pages.flatMap((page) => brokenLinks(page, disk)),
      [],
    )
  })
})
