import type { AccountAdmin } from '../accounts/account-store.ts'
import type { Form } from '../web/form.ts'
import type { ActionOutcome, Section, Visitor } from './section.ts'

/** The language of pages and mails. Where none is chosen, pages go by the browser. */
export function createLanguageSection(
  { languages }: { languages: readonly string[] },
  { accounts }: { accounts: Pick<AccountAdmin, 'update'> },
): Section {
  async function choose({ account, ip }: Visitor, form: Form): Promise<ActionOutcome> {
    const chosen = form.get('locale')
    if (chosen === undefined || (chosen !== '' && !languages.includes(chosen))) {
      return { error: { code: 'bad-request' }, field: 'locale' }
    }
    const details = { changed: ['locale'] }
    const audit = { event: 'user.changed', outcome: 'ok', account: account.id, ip, details } as const
    await accounts.update(account.id, { locale: chosen === '' ? null : chosen }, audit)
    return { to: '/account#language', notice: 'language-changed' }
  }

  return {
    name: 'language',
    async show({ account }) {
      const choices = languages.map((language) => ({ language, name: nameOf(language) }))
      return { choices, chosen: account.locale ?? '' }
    },
    // A language protects nothing, so nobody has to prove anything to change it.
    actions: { language: { open: true, act: choose } },
  }
}

/** The name of a language in that language: whoever looks for it can read it. */
function nameOf(language: string): string {
  const name = new Intl.DisplayNames([language], { type: 'language' }).of(language) ?? language
  return `${name.slice(0, 1).toLocaleUpperCase(language)}${name.slice(1)}`
}
