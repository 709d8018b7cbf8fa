import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { coveredOf, sees } from '../../scripts/mutate/coverage.ts'
import { isEquivalent, readEquivalents } from '../../scripts/mutate/equivalents.ts'
import { draw, type Mutant, mutantsOf } from '../../scripts/mutate/mutants.ts'
import { type Judged, survivorText, tableOf } from '../../scripts/mutate/report.ts'

const FILE = 'src/a/b.ts'
/** What the line becomes, by kind of change. */
const broken = (text: string, kind?: string): string[] =>
  mutantsOf(FILE, text)
    .filter(({ id }) => kind === undefined || id.split(':')[3] === kind)
    .map(({ after }) => after)

describe('a mutant', () => {
  const KINDS: Record<string, readonly [text: string, after: readonly string[]]> = {
    condition: ['if (a) b', ['if (!(a)) b']],
    operator: ['x = a < b && c', ['x = a < b || c', 'x = a <= b && c']],
    statement: ['await send(mail)', [';']],
    return: ['const f = (a: A): B => a.b(1)', ['const f = (a: A): B => undefined']],
    constant: [
      "const x = ['a', 5, 1000, true, '']",
      [
        "const x = ['', 5, 1000, true, '']",
        "const x = ['a', 6, 1000, true, '']",
        "const x = ['a', 5, 2000, true, '']",
        "const x = ['a', 5, 1000, false, '']",
        "const x = ['a', 5, 1000, true, 'mutant']",
      ],
    ],
    list: ['const x = [a, ...b, c]', ['const x = [...b, c]', 'const x = [a, c]', 'const x = [a, ...b]']],
    await: ['const x = await a', ['const x = a']],
    method: ['const x = a.filter(b).some(c)', ['const x = a.some(c)', 'const x = a.filter(b).every(c)']],
  }

  for (const [kind, [text, after]] of Object.entries(KINDS)) {
    it(`breaks a ${kind}`, () => assert.deepEqual(broken(text, kind).toSorted(), after.toSorted()))
  }

  it('swaps operators and methods for their neighbours', () => {
    const swaps = {
      '<': '<=',
      '<=': '<',
      '>': '>=',
      '>=': '>',
      '===': '!==',
      '!==': '===',
      '+': '-',
      '-': '+',
      '*': '/',
      '/': '*',
      '&&': '||',
      '||': '&&',
    }
    for (const [one, other] of Object.entries(swaps))
      assert.deepEqual(broken(`x = a ${one} b`, 'operator'), [`x = a ${other} b`])
    for (const [one, other] of Object.entries({ some: 'every', every: 'some', min: 'max', max: 'min' }))
      assert.deepEqual(broken(`const x = a.${one}(b)`, 'method'), [`const x = a.${other}(b)`])
  })

  it('answers nothing in place of what a function computes, not of what it merely names', () => {
    assert.deepEqual(broken('const x = [() => 1, () => a, () => undefined, () => f()]', 'return'), [
      'const x = [() => 1, () => a, () => undefined, () => undefined]',
    ])
    assert.deepEqual(broken('const x = { f() { a() }, g: function () { a() } }', 'return').length, 2)
  })

  it('undoes a negation, and what stands in for nothing', () => {
    assert.deepEqual(broken('if (!a) b()', 'condition'), ['if (a) b()'])
    assert.deepEqual(broken('x = a ?? b', 'operator'), ['x = a'])
  })

  it('returns early from a function of several lines', () => {
    assert.deepEqual(broken('function f(): void {\n  a()\n}', 'return'), ['function f(): void { return;'])
  })

  it('leaves types, names of modules and of properties, log lines and errors for nobody alone', () => {
    for (const text of [
      "type A = 'a' | 1",
      "import { a } from './a.ts'",
      "const x = { 'a-b': y } satisfies { 'a-b': 1 }",
      "log.warn('went wrong', { count: 1 })",
      "throw new Error('cannot be')",
    ]) {
      assert.deepEqual(broken(text), [], text)
    }
  })

  it('does not leave errors with a name of their own alone: somebody reads them', () => {
    assert.deepEqual(broken("throw new ConfigError('key')"), ["throw new ConfigError('')"])
  })

  it('says where it is, and what the lines around it were', () => {
    const [mutant] = mutantsOf(FILE, 'a\nif (b &&\n    c) d')
    const { id, line, before, after, text } = mutant as Mutant
    assert.deepEqual(
      { id, line, before, after, text },
      {
        id: 'src/a/b.ts:2:5:condition',
        line: 2,
        before: 'if (b && c) d',
        after: 'if (!(b && c)) d',
        text: 'a\nif (!(b &&\n    c)) d',
      },
    )
  })

  it('has an id of its own, also where a place can be broken in several ways', () => {
    const ids = mutantsOf(FILE, 'const x = [a, b, [c, d]]\nif (a && b || c) d()').map(({ id }) => id)
    assert.equal(new Set(ids).size, ids.length)
  })

  it('is drawn again by the same seed, and can always be read', () => {
    const all = mutantsOf(FILE, 'const x = [1, 2, 3, 4, 5, 6]\nif (x < 1 && x > 2) x()\nconst f = () => ({ a: 1 })')
    const ids = (seed: number) => draw(all, { seed, count: 5 }).map(({ id }) => id)
    assert.deepEqual(ids(1), ids(1))
    assert.notDeepEqual(ids(1), ids(2))
    assert.equal(ids(1).length, 5)
    assert.equal(draw(all, { seed: 1, count: 1000 }).length, all.length)
    assert.deepEqual(draw([{ ...(all[0] as Mutant), text: 'const = 1' }], { seed: 1, count: 1 }), [])
  })

  it('is known as equivalent by its lines, wherever they stand', () => {
    const [mutant] = mutantsOf(FILE, '\n\nif (a) b') as [Mutant]
    const known = { file: FILE, before: 'if (a) b', after: 'if (!(a)) b', why: 'both are the same' }
    assert.equal(isEquivalent(mutant, [known]), true)
    assert.equal(isEquivalent(mutant, [{ ...known, file: 'src/a/c.ts' }]), false)
    assert.equal(isEquivalent(mutant, [{ ...known, after: 'if (c) b' }]), false)
  })
})

describe('the mutants that nobody can see', () => {
  it('are mutants of the code of today, each with its reason, and none twice', () => {
    const known = readEquivalents()
    const files = [...new Set(known.map(({ file }) => file))]
    const all = files.flatMap((file) => mutantsOf(file, readFileSync(file, 'utf8')))
    for (const entry of known) {
      assert.ok(
        all.some((mutant) => isEquivalent(mutant, [entry])),
        `gone: ${JSON.stringify(entry)}`,
      )
      assert.ok(entry.why.length > 20, entry.before)
    }
    assert.equal(new Set(known.map(({ file, before, after }) => [file, before, after].join('\n'))).size, known.length)
  })
})

describe('who sees a place', () => {
  const range = (startOffset: number, endOffset: number, count: number) => ({ startOffset, endOffset, count })
  const module = { ranges: [range(0, 100, 1)] }

  it('is who ran it: the innermost range decides, the end does not belong to it', () => {
    const covered = coveredOf({
      url: '',
      functions: [
        module,
        { ranges: [range(10, 50, 2), range(20, 30, 0)] },
        { ranges: [range(60, 80, 0), range(65, 70, 0)] },
      ],
    })
    assert.deepEqual(covered.spans, [
      [0, 20],
      [30, 60],
      [80, 100],
    ])
    assert.deepEqual(
      [19, 20, 29, 30, 79, 80].map((offset) => sees(covered, offset)),
      [true, false, false, true, false, true],
    )
  })

  it('has used the file if any function of it was called, which reading it alone does not do', () => {
    const calls = (count: number) =>
      coveredOf({ url: '', functions: [module, { ranges: [range(10, 50, count)] }] }).called
    assert.deepEqual([calls(0), calls(1)], [false, true])
  })
})

describe('the report', () => {
  const [mutant] = mutantsOf(FILE, 'if (a) b') as [Mutant]
  const killed: Judged = { mutant, verdict: { is: 'killed', by: 'test/a.test.ts', title: undefined } }
  const survivor: Judged = { mutant, verdict: { is: 'survivor', seen: 2 } }

  it('counts by folder and in all', () => {
    const other = { ...killed, mutant: { ...mutant, file: 'src/c.ts' } }
    assert.equal(
      tableOf([killed, survivor, other, { mutant, verdict: { is: 'equivalent' } }]),
      [
        '| folder | mutants | killed | equivalent | survivors |',
        '| --- | ---: | ---: | ---: | ---: |',
        '| src | 1 | 1 | 0 | 0 |',
        '| src/a | 3 | 1 | 1 | 1 |',
        '| all | 4 | 2 | 1 | 1 |',
      ].join('\n'),
    )
  })

  it('says of a survivor where it is, what was changed and how to try it again', () => {
    assert.equal(
      survivorText(survivor),
      [
        'src/a/b.ts:1 (2 test files run it)',
        '  - if (a) b',
        '  + if (!(a)) b',
        '  npm run mutate -- --mutant src/a/b.ts:1:5:condition',
      ].join('\n'),
    )
  })
})
