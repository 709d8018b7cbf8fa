import type { RequestListener } from 'node:http'
import { accountRoutes } from '../account/account-page.ts'
import { activitySection } from '../account/activity.ts'
import { type AddressSection, createAddressSection } from '../account/address.ts'
import { devicesSection } from '../account/devices.ts'
import { factorsSection } from '../account/factors.ts'
import { createLanguageSection } from '../account/language.ts'
import { createPasswordSection } from '../account/password.ts'
import { createPendingAddresses } from '../account/pending-address.ts'
import { createRecoverySection } from '../account/recovery.ts'
import type { Section } from '../account/section.ts'
import { sessionsSection } from '../account/sessions.ts'
import { createSignInRedirect } from '../account/sign-in-redirect.ts'
import { createVisitors } from '../account/visitors.ts'
import { createActivations } from '../accounts/activation.ts'
import { createPasswordLinks } from '../accounts/password-links.ts'
import { createPasswordThrottle, type PasswordThrottle } from '../accounts/password-throttle.ts'
import { shortestPassword } from '../config/password-length.ts'
import { createConcurrentForms } from '../interactions/concurrent-forms.ts'
import { createConsent } from '../interactions/consent.ts'
import { createInteractions } from '../interactions/engine.ts'
import { createFactors } from '../interactions/factor.ts'
import { createFormHandlers } from '../interactions/form-handlers.ts'
import { createLogin } from '../interactions/login.ts'
import { createAccountCookies } from '../interactions/remembered-browsers.ts'
import { resumeGuard } from '../interactions/resume.ts'
import { interactionRoutes } from '../interactions/routes.ts'
import { createSignIns } from '../interactions/sign-in.ts'
import { createSignInFlow } from '../interactions/sign-in-flow.ts'
import { createStepPages } from '../interactions/step-pages.ts'
import { deriveKey, type Sealer } from '../kernel/secrets.ts'
import { createVerifier } from '../mfa/factors/verification.ts'
import type { Decider } from '../mfa/policy/decider.ts'
import type { Policy } from '../mfa/policy/policy.ts'
import { createPendingProofs } from '../mfa/session/pending-proof.ts'
import type { SessionProofRecords } from '../mfa/session/session-proofs.ts'
import type { Sessions } from '../mfa/session/sessions.ts'
import { FORGOT, forgotRoutes } from '../password-links/forgot-page.ts'
import { type LinkPage, passwordLinkRoutes } from '../password-links/password-link-pages.ts'
import { createResetRequests, type ResetRequests } from '../password-links/reset-requests.ts'
import { createEngineSessions } from '../provider/account-session.ts'
import { scopeOf } from '../provider/claims.ts'
import { cookieNames } from '../provider/cookies.ts'
import { formPostToGet } from '../provider/form-post.ts'
import { orderOf } from '../provider/keys.ts'
import { setupRoutes } from '../setup/setup.ts'
import { addressLimits, routeOf } from '../web/address-limits.ts'
import { assetFiles } from '../web/assets.ts'
import { createBrowsers } from '../web/browser.ts'
import { engineOf } from './engine.ts'
import { frontDoor } from './front-door.ts'
import { BOUND_TO_ADDRESS, type Services, type Stores } from './installation.ts'
import { setupOf } from './waiting.ts'

/** What serves under one configuration. */
export interface Front {
  handler: RequestListener
  sessions: Sessions
  /** Which signing keys it was made with, in their order. */
  keys: string
  /** Waits for what relying parties are still to be told. */
  settled(): Promise<unknown>
}

/** Everything a request meets under one configuration. */
export async function frontOf(installation: Stores & Services, health: RequestListener): Promise<Front> {
  const { config, clock, state, accounts, bindings, trail, secretKey, registry, devices } = installation
  const { issuer, limits } = config
  const engine = await engineOf(installation)
  const { provider, grants, sessions, sessionProofs, sealer, decider, admissions, acr, pages } = engine
  const { responder, parties, boundary } = engine
  const { notices, outbox } = installation
  const pendingProofs = createPendingProofs({ state, sealer })

  const signIns = createSignIns({
    interactions: createInteractions({ provider, parties, sessions }),
    accounts,
    bindings,
    postponements: installation.postponements,
    pendingProofs,
    sessionProofs,
    decider,
    rules: { guard: config.mfa.enrolment.guard, authenticators: registry.list(), lookup: decider.lookup },
    acr,
    clock,
    absolute: config.sessions.absolute,
  })
  const cookies = createAccountCookies({ issuer, key: deriveKey(secretKey, 'known-browser'), now: () => clock.now() })
  const throttle = createPasswordThrottle(
    {
      tries: limits.passwordTries,
      delay: limits.passwordDelay,
      delayMax: limits.passwordDelayMax,
      perAddress: limits.passwordFailuresPerAddress,
      window: limits.passwordWindow,
      accountsPerAddress: limits.accountsPerAddress,
    },
    { state, now: () => clock.now() },
  )
  const verifier = createVerifier(
    {
      perInteraction: limits.codesPerInteraction,
      perHour: limits.codesPerHour,
      perDay: limits.codesPerDay,
      inARow: limits.codeFailuresInARow,
      interaction: config.sessions.signIn,
    },
    { state, sealer, bindings, accounts, authenticators: registry, trail, notices, outbox, clock },
  )

  provider.use(boundary.middleware)
  provider.use(assetFiles(pages.assets))
  provider.use(
    addressLimits(
      {
        interactions: limits.interactionsPerAddress,
        clientFailures: limits.clientAuthPerMinute,
        sessionCookie: cookieNames(issuer).session,
      },
      { state, clock, trail },
    ),
  )
  provider.use(formPostToGet(['/auth', '/session/end'], routeOf))
  const factors = createFactors({ verifier, authenticators: registry, devices, cookies, clock })
  const resets = resetRequestsOf(installation, engine.policy)
  const forgot = resets && FORGOT
  const stepPages = createStepPages({ forgot }, { factors, responder, accounts, clock })
  const flow = createSignInFlow({ signIns, factors, cookies, pages: stepPages, responder, trail })
  const login = createLogin({ accounts, throttle, devices, cookies, signIns, trail, clock })
  const { postponements } = installation
  const browsers = createBrowsers({ issuer, csrfKey: deriveKey(secretKey, 'csrf') }, { trail })
  const shared = { signIns, pages: stepPages, flow, concurrentForms: createConcurrentForms(), responder }
  provider.use(resumeGuard({ browsers, cookie: cookieNames(issuer).resume }))
  provider.use(
    interactionRoutes({
      ...shared,
      browsers,
      formHandlers: createFormHandlers({ ...shared, login, factors, accounts, postponements, clock }),
      consent: createConsent({
        accounts,
        grantId: (session, id, account) => grants.idFor(session, id, account),
        scopeOf,
        trail,
      }),
      limits,
    }),
  )
  const visitors = createVisitors({
    sessions: createEngineSessions(provider, { issuer }),
    sessionProofs,
    accounts,
    bindings,
    decider,
    admissions,
    responder,
    clock,
  })
  const nameOf = (clientId: string): string => parties.get(clientId)?.name ?? clientId
  const own = ownAccountSections(installation, {
    sealer,
    decider,
    policy: engine.policy,
    sessions,
    sessionProofs,
    throttle,
  })
  provider.use(
    accountRoutes({
      sections: [
        factorsSection(
          { guard: config.mfa.enrolment.guard },
          {
            bindings,
            authenticators: registry,
            verifier,
            decider,
            acr,
            notices,
            state,
            clock,
            sessions,
            sessionProofs,
          },
        ),
        own.recovery,
        own.password,
        own.address,
        devicesSection({ devices }),
        sessionsSection({ sessions, nameOf }),
        activitySection({ audit: installation.audit, trail, accounts, sessions, notices, clock, nameOf }),
        own.language,
      ],
      visitors,
      entrance: createSignInRedirect({ issuer }, { visitors, responder }),
      browsers,
      responder,
      limits,
    }),
  )
  provider.use(
    passwordLinkRoutes(
      {
        pages: linkPagesOf(installation, forgot),
        minLength: shortestPassword(engine.policy, config.passwords.minLength),
        serviceName: config.branding.name,
      },
      {
        accounts,
        hasher: installation.hasher,
        sessions,
        notices,
        browsers,
        responder,
        log: installation.log,
        clock,
        limits,
      },
    ),
  )
  if (resets !== undefined) provider.use(forgotRoutes({ requests: resets, browsers, responder, limits }))
  provider.use(setupRoutes(setupOf(installation, { responder, waiting: undefined })))
  provider.use(boundary.unknown)
  const handler = frontDoor(installation, { inside: provider.callback(), health })
  const settled = () => Promise.all([engine.backChannel.settled(), resets?.settled(), own.address.settled()])
  return { handler, sessions, keys: orderOf(engine.signingKeys), settled }
}

/** Undefined where nobody gets a new password by mail. */
function resetRequestsOf(installation: Stores & Services, policy: Policy): ResetRequests | undefined {
  const { config, accounts, bindings, mailer, state, trail, log, clock } = installation
  const { issuer, branding, passwords, limits } = config
  if (mailer === undefined || passwords.resetByMail === 'never') return undefined
  return createResetRequests(
    {
      issuer,
      serviceName: branding.name,
      mode: passwords.resetByMail,
      policy,
      mailed: new Set(BOUND_TO_ADDRESS),
      perAccount: limits.resetsPerHour,
      perNetwork: limits.resetsPerAddress,
    },
    {
      accounts,
      bindings,
      links: createPasswordLinks('reset', { state, accounts }),
      mailer,
      state,
      trail,
      log,
      clock,
    },
  )
}

/** `forgot`: where one asks for another link by mail, if anywhere. */
function linkPagesOf({ state, accounts }: Stores, forgot: string | undefined): LinkPage[] {
  const signIn = { href: '/account', key: 'sign-in' }
  const again = forgot === undefined ? undefined : { href: forgot, key: 'new-link' }
  return [
    {
      name: 'activate',
      links: createActivations({ state, accounts }),
      event: 'password.changed',
      reason: 'activation',
      notice: 'password-changed',
      dead: { detailKey: 'new-activation', link: signIn },
    },
    {
      name: 'reset',
      links: createPasswordLinks('reset', { state, accounts }),
      event: 'password.reset.done',
      reason: 'mail',
      notice: 'password-reset',
      dead: again === undefined ? { detailKey: 'new-reset', link: signIn } : { link: again },
    },
  ]
}

/** What people change of their own account, beside its factors. */
function ownAccountSections(
  installation: Stores & Services,
  parts: {
    sealer: Sealer
    decider: Decider
    policy: Policy
    sessions: Sessions
    sessionProofs: SessionProofRecords
    throttle: PasswordThrottle
  },
): Record<'recovery' | 'password' | 'language', Section> & { address: AddressSection } {
  const { config, accounts, state, hasher, mailer, notices, trail, log, clock, registry, recoveryCodes } = installation
  const { passwords, branding, limits, languages } = config
  const { sealer, decider, policy, sessions, sessionProofs, throttle } = parts
  const serviceName = branding.name
  const codeKey = deriveKey(installation.secretKey, 'address-code')
  const shared = { accounts, sessions, sessionProofs, notices, trail, clock }
  return {
    recovery: createRecoverySection(
      { count: config.mfa.recoveryCodes, guard: config.mfa.enrolment.guard },
      { codes: recoveryCodes, authenticators: registry, decider, state, sealer },
    ),
    password: createPasswordSection(
      { minLength: shortestPassword(policy, passwords.minLength), serviceName },
      { ...shared, hasher, throttle, sessionProofs },
    ),
    address: createAddressSection(
      { serviceName, mailsPerDay: limits.mailsPerDay, resends: limits.mailsPerInteraction },
      { ...shared, pending: createPendingAddresses({ state, sealer, codeKey, clock }), state, mailer, log },
    ),
    language: createLanguageSection({ languages }, { accounts }),
  }
}
