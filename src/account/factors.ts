import type { Account } from '../accounts/account.ts'
import type { AuditEventName, Change } from '../audit/audit.ts'
import { OWN_CLIENTS } from '../config/own-clients.ts'
import { type Clock, MINUTE } from '../kernel/clock.ts'
import { RequestError } from '../kernel/errors.ts'
import type { NoticeKind, Notices } from '../mail/notices.ts'
import type { AcrNames } from '../mfa/assurance/acr.ts'
import type { Authenticator } from '../mfa/factors/authenticator.ts'
import type { Binding, BindingStore } from '../mfa/factors/binding-store.ts'
import type { Registry } from '../mfa/factors/registry.ts'
import type { Attempt, Begun, Verifier } from '../mfa/factors/verifier.ts'
import type { Decider } from '../mfa/policy/decider.ts'
import type { EnrolmentGuard } from '../mfa/policy/steps.ts'
import type { SessionProofRecords } from '../mfa/session/session-proofs.ts'
import type { Sessions } from '../mfa/session/sessions.ts'
import { keyOf, type StateKey, type StateStore } from '../state/store.ts'
import type { Form } from '../web/form.ts'
import { problemOf } from '../web/refusal.ts'
import { keepSession } from './kept-session.ts'
import type { Action, ActionOutcome, Section, SubPage, Visitor } from './section.ts'

export interface FactorSectionDependencies {
  bindings: BindingStore
  authenticators: Registry
  verifier: Verifier
  decider: Decider
  acr: AcrNames
  notices: Notices
  state: Pick<StateStore, 'get' | 'set'>
  clock: Clock
  sessions: Pick<Sessions, 'endAll'>
  sessionProofs: SessionProofRecords
}

const HERE = '/account#factors'
const LABEL_LENGTH = 60
/** How long a QR code is shown again. */
const SHOWN_FOR = MINUTE

/** Second factors: what there is, another one, another name, away with one (G1, G2, D6, D8). */
export function factorsSection({ guard }: { guard: EnrolmentGuard }, dependencies: FactorSectionDependencies): Section {
  const { bindings, authenticators, verifier, decider, acr, notices, state, clock, sessions } = dependencies
  const kinds = authenticators.list()
  const bindable = kinds.filter(({ bind }) => bind !== undefined)
  const ownersOf = (account: Account) => kinds.filter((kind) => kind.bind !== undefined || kind.usableUnbound(account))

  async function mayAdd(visitor: Visitor, kind: Authenticator): Promise<'here' | 'by sign-in' | undefined> {
    const { account, demanded } = visitor
    const bound = visitor.bindings.filter(({ type }) => type === kind.type).length
    if (decider.lookup(kind.type) === undefined || bound >= kind.maxPerAccount) return undefined
    const opened = guard !== 'bypass' || hasBound(visitor, authenticators)
    if (opened && (await decider.hasFactor(account, demanded))) return 'here'
    // A password alone never reaches the key: the sign-in has its guards for that (B3, FB-2).
    return demanded.methods.includes(kind.type) ? 'by sign-in' : undefined
  }

  function attemptOf(visitor: Visitor, { type }: Authenticator): Attempt {
    const { account, browser, locale, ip, userAgent, session } = visitor
    return {
      ceremony: 'bind',
      type,
      // What one binding used up is not held against the next one.
      interaction: `account ${session.uid} ${account.factorEpoch}`,
      browser,
      client: OWN_CLIENTS.change,
      context: { account, now: clock.now(), locale, request: { ip, userAgent } },
      bindings: visitor.bindings,
      endsSignIns: true,
    }
  }

  /** Who took too long gets a new one: nothing was sent. */
  async function begun(visitor: Visitor, kind: Authenticator): Promise<Begun> {
    const attempt = attemptOf(visitor, kind)
    const first = await verifier.begin(attempt)
    const answer = first.ok || first.reason !== 'expired' ? first : await verifier.renew(attempt)
    if (answer.ok) return answer
    throw new RequestError(answer.reason === 'throttled' ? 'throttled' : 'expired', {
      ...(answer.retryAfter !== undefined && { retryAfter: answer.retryAfter }),
    })
  }

  /** One of the visitor's own that is not just their address on record (FB-6). */
  function ownBinding({ account, bindings: own }: Visitor, form: Form): Binding {
    const binding = own.find(({ id }) => id === form.get('id'))
    const kind = binding && authenticators.get(binding.type)
    if (binding === undefined || kind?.bind === undefined || kind.usableUnbound(account)) {
      throw new RequestError('not-found')
    }
    return binding
  }

  function changeOf(
    { account, ip, userAgent }: Visitor,
    { type, label }: Pick<Binding, 'type' | 'label'>,
    what: { event: AuditEventName; notice?: NoticeKind },
  ): Change {
    const facts = { time: clock.now(), ip, browser: userAgent, factor: type, subject: label }
    return {
      event: what.event,
      outcome: 'ok',
      account: account.id,
      client: OWN_CLIENTS.change,
      ip,
      details: { factor: type },
      ...(what.notice !== undefined && { mails: notices.of(what.notice, account, facts) }),
    }
  }

  /** FB-9: by the epochs all that was begun before is dead, whatever happens here; relying parties are told. */
  async function endOthers({ account, session }: Visitor): Promise<void> {
    await keepSession(session.uid, { before: account, change: 'factors' }, dependencies)
    await sessions.endAll(account.id, { except: session.uid })
  }

  const rename: Action = {
    async act(visitor, form) {
      const binding = ownBinding(visitor, form)
      const audit = changeOf(visitor, binding, { event: 'factor.renamed' })
      const label = labelIn(form)
      if (!(await bindings.rename(visitor.account.id, binding.id, { label, audit })))
        throw new RequestError('not-found')
      return { to: HERE, notice: 'factor-renamed' }
    },
  }

  const remove: Action = {
    async act(visitor, form): Promise<ActionOutcome> {
      const { account } = visitor
      const binding = ownBinding(visitor, form)
      const audit = changeOf(visitor, binding, { event: 'factor.removed', notice: 'factor-removed' })
      const removed = await bindings.remove(account.id, binding.id, { audit, keep: keptBy(visitor), endsSignIns: true })
      if (removed === 'not-theirs') throw new RequestError('not-found')
      if (removed === 'last') return { error: { code: 'last-factor' } }
      await removeReserve(visitor, binding)
      await endOthers(visitor)
      return { to: HERE, notice: 'factor-removed' }
    },
  }

  /** Codes that stood in for the last factor go with it: alone they would keep out an owner who has lost them too. */
  async function removeReserve(visitor: Visitor, removed: Binding): Promise<void> {
    const { account, bindings: own } = visitor
    const isReserve = ({ type }: Binding): boolean => authenticators.get(type)?.fallback !== undefined
    const others = own.filter((other) => other !== removed && decider.lookup(other.type) !== undefined)
    if (others.some((other) => !isReserve(other))) return
    for (const codes of own.filter(isReserve)) {
      const audit = changeOf(visitor, codes, { event: 'factor.removed' })
      await bindings.remove(account.id, codes.id, { audit, keep: [] })
    }
  }

  /** FB-7: lists that only bound factors satisfy, and that are satisfied now. */
  function keptBy({ account, bindings: own }: Visitor): string[][] {
    return decider
      .needs(account)
      .filter((types) => !types.some((type) => authenticators.get(type)?.usableUnbound(account)))
      .filter((types) => own.some(({ type }) => types.includes(type)))
  }

  const showQr: Action = {
    async act(visitor, form) {
      const binding = ownBinding(visitor, form)
      if (authenticators.get(binding.type)?.reshow === undefined) throw new RequestError('not-found')
      const audit = changeOf(visitor, binding, { event: 'factor.shown', notice: 'factor-shown' })
      if (!(await bindings.note(visitor.account.id, binding.id, audit))) throw new RequestError('not-found')
      await state.set(shownKey(visitor), binding.id, SHOWN_FOR)
      return { to: `/account/show-${binding.type}` }
    },
  }

  function add(kind: Authenticator): Action {
    return {
      // The page it leads to asks; the sign-in does so too.
      open: true,
      async act(visitor): Promise<ActionOutcome> {
        const way = await mayAdd(visitor, kind)
        if (way === undefined) return { error: { code: 'bad-request' } }
        if (way === 'here') return { to: `/account/add-${kind.type}` }
        return { to: HERE, notice: 'factor-bound', signIn: { acrValues: acr.nameOf(kind.assurance) } }
      },
    }
  }

  function addPage(kind: Authenticator): SubPage {
    return {
      name: `bind-${kind.type}`,
      view: `${kind.type}/bind`,
      async show(visitor) {
        if ((await mayAdd(visitor, kind)) !== 'here') return undefined
        const { show, expiresAt } = await begun(visitor, kind)
        return { ...show, remember: 0, choose: false, label: true, expiresIn: Math.max(0, expiresAt - clock.now()) }
      },
      async post(visitor, form): Promise<ActionOutcome> {
        if ((await mayAdd(visitor, kind)) !== 'here') return { to: HERE }
        const label = labelIn(form)
        const given = { code: form.get('code') ?? '', ...(label !== undefined && { label }) }
        const verdict = await verifier.finish(attemptOf(visitor, kind), given)
        if (!verdict.ok) return { error: problemOf(verdict) }
        await endOthers(visitor)
        const { proof } = verdict
        return { to: HERE, notice: 'factor-added', ...(proof !== undefined && { proof }) }
      },
    }
  }

  function showPage(kind: Authenticator): SubPage {
    return {
      name: `show-${kind.type}`,
      view: `${kind.type}/show`,
      async show(visitor) {
        const id = await state.get(shownKey(visitor))
        const binding = visitor.bindings.find((own) => own.id === id && own.type === kind.type)
        if (binding === undefined) return undefined
        const shown = await kind.reshow?.(binding, attemptOf(visitor, kind).context)
        return shown && { ...shown, name: binding.label }
      },
    }
  }

  return {
    name: 'factors',
    async show(visitor) {
      const { account, bindings: own } = visitor
      const factors = ownersOf(account).flatMap((kind) => {
        const bound = own.filter(({ type }) => type === kind.type)
        const fixed = kind.usableUnbound(account)
        const shared = {
          type: kind.type,
          detail: kind.detail?.(account),
          fixed,
          used: decider.lookup(kind.type) !== undefined,
          shows: kind.reshow !== undefined,
        }
        // An address that no policy accepts is no factor.
        if (fixed && !shared.used) return []
        if (bound.length === 0) return fixed ? [shared] : []
        return bound.map(({ id, label, boundAt, lastUsedAt }) => ({ ...shared, id, label, boundAt, lastUsedAt }))
      })
      const addable = await Promise.all(bindable.map((kind) => mayAdd(visitor, kind)))
      return {
        factors,
        addable: bindable.filter((_, index) => addable[index] !== undefined).map(({ type }) => type),
      }
    },
    actions: {
      rename,
      remove,
      'show-qr': showQr,
      ...Object.fromEntries(bindable.map((kind) => [`add-${kind.type}`, add(kind)])),
    },
    pages: Object.fromEntries(
      bindable.flatMap((kind) => [
        [`add-${kind.type}`, addPage(kind)],
        ...(kind.reshow === undefined ? [] : [[`show-${kind.type}`, showPage(kind)] as const]),
      ]),
    ),
  }
}

/** Whether an authenticator is bound, apart from mailboxes and codes: under the guard `bypass` only an administrator opens the first. */
export function hasBound({ bindings }: Pick<Visitor, 'bindings'>, authenticators: Pick<Registry, 'get'>): boolean {
  return bindings.some(({ type }) => authenticators.get(type)?.bind !== undefined)
}

const shownKey = ({ session }: Visitor): StateKey => keyOf('factor-shown', session.uid)

/** Plain words of the owner's; none when nothing is left of them. */
function labelIn(form: Form): string | undefined {
  const typed = (form.get('label') ?? '').replaceAll(/\p{C}+/gu, ' ').trim()
  return [...typed].slice(0, LABEL_LENGTH).join('') || undefined
}
