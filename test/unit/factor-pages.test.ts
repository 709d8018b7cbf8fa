import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import type { Authenticator, AuthenticatorKind, KindDependencies } from '../../src/mfa/factors/authenticator.ts'
import { KINDS } from '../../src/mfa/factors/registry.ts'
import { viewNames } from '../../src/views/renderer.ts'
import { keysOf } from '../../src/views/texts.ts'

const LOCALES = new URL('../../locales/', import.meta.url)
const DEPENDENCIES: KindDependencies = {
  mailer: undefined,
  secretKey: randomBytes(32),
  serviceName: 'Example',
  limits: { mailsPerInteraction: 3, mailsPerDay: 10 },
  recoveryCodes: 10,
}

const made = (kind: AuthenticatorKind): Authenticator => kind.create(kind.schema?.parse({}), DEPENDENCIES)

/** The ceremonies that have a page of their own. */
function ceremoniesOf({ bind, reshow }: Authenticator): string[] {
  return ['verify', ...(bind === undefined ? [] : ['bind']), ...(reshow === undefined ? [] : ['show'])]
}

/** Their names are put together where they are used, so that nobody reads them as a whole. */
function textsOf(authenticator: Authenticator): string[] {
  const { type, bind, detail } = authenticator
  const listed = [`methods.${type}.title`, `methods.${type}.hint`]
  const named = ceremoniesOf(authenticator).map((ceremony) => `${ceremony}-${type}.title`)
  return [
    ...listed,
    ...(detail === undefined ? [] : [`methods.${type}.hint-detail`]),
    ...named,
    ...(bind === undefined ? [] : [`account.factors.add-${type}`]),
  ]
}

describe('each kind of factor', () => {
  const views = new Set(viewNames())
  const languages = readdirSync(LOCALES).map((file) => ({
    file,
    keys: new Set(keysOf(JSON.parse(readFileSync(new URL(file, LOCALES), 'utf8')))),
  }))

  // A kind that brings its own pages and texts has them elsewhere.
  for (const authenticator of KINDS.filter(({ pages }) => pages === undefined).map(made)) {
    const { type } = authenticator
    it(`${type} has a page for each of its ceremonies`, () => {
      const missing = ceremoniesOf(authenticator).filter((ceremony) => !views.has(`${type}/${ceremony}`))
      assert.deepEqual(missing, [], `views/${type}/`)
    })

    it(`${type} has its texts in every language`, () => {
      assert.ok(languages.length > 1)
      for (const { file, keys } of languages) {
        const missing = textsOf(authenticator).filter((key) => !keys.has(key))
        assert.deepEqual(missing, [], `locales/${file}`)
      }
    })
  }
})
