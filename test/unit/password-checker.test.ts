import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Account } from '../../src/accounts/account.ts'
import type { AccountStore } from '../../src/accounts/account-store.ts'
import { createLocalPasswords } from '../../src/accounts/password-checker.ts'
import { UnavailableError } from '../../src/kernel/errors.ts'
import { accountOf } from './factors.ts'

/** One account, `anna`; counts what is asked of it. */
function storeOf(account: Account, authenticate: (password: string) => Promise<Account | undefined>) {
  const asked: string[] = []
  const store: Pick<AccountStore, 'claimant'> = {
    async claimant(login) {
      asked.push(`read ${login}`)
      const known = login === 'anna'
      return {
        accountId: known ? account.id : undefined,
        key: known ? account.id : login,
        async authenticate(password) {
          asked.push(`judge ${password}`)
          return known ? authenticate(password) : undefined
        },
      }
    },
  }
  return { store, asked }
}

describe('who checks passwords: this installation', () => {
  const anna = accountOf('id-of-anna')
  const right = async (password: string) => (password === 'right' ? anna : undefined)

  test('a claim says by what to count, before anything is judged (RL-4)', async () => {
    const { store, asked } = storeOf(anna, right)
    const claim = await createLocalPasswords(store).claim('anna')
    assert.deepEqual([claim.accountId, claim.key], ['id-of-anna', 'id-of-anna'])
    assert.deepEqual(asked, ['read anna'])
  })

  test('right, wrong, and nobody: each judged once (EN-2)', async () => {
    const { store, asked } = storeOf(anna, right)
    const passwords = createLocalPasswords(store)
    const check = async (login: string, password: string) => (await passwords.claim(login)).check(password)
    assert.deepEqual(await check('anna', 'right'), { ok: true, account: anna })
    assert.deepEqual(await check('anna', 'else'), { ok: false, reason: 'wrong' })
    assert.deepEqual(await check('nobody', 'right'), { ok: false, reason: 'wrong' })
    assert.deepEqual(asked, ['read anna', 'judge right', 'read anna', 'judge else', 'read nobody', 'judge right'])
  })

  test('a disabled account is told to the caller, who answers as for a wrong password (EN-1)', async () => {
    const disabled = { ...anna, disabled: true }
    const { store } = storeOf(disabled, async () => disabled)
    const verdict = await (await createLocalPasswords(store).claim('anna')).check('right')
    assert.deepEqual(verdict, { ok: true, account: disabled })
  })

  test('what could not be judged is neither right nor wrong (FA-6)', async () => {
    const { store } = storeOf(anna, async () => {
      throw new UnavailableError('hasher')
    })
    const claim = await createLocalPasswords(store).claim('anna')
    await assert.rejects(claim.check('right'), UnavailableError)
  })
})
