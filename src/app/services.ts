import type { Config } from '../config/config.ts'
import type { Requirement } from '../config/schema/block.ts'
import type { Log } from '../kernel/log.ts'
import { createSealer, deriveKey } from '../kernel/secrets.ts'
import type { Mailer } from '../mail/mailer.ts'
import { createNotices, type Notices } from '../mail/notices.ts'
import type { AuthenticatorKind } from '../mfa/factors/authenticator.ts'
import type { BypassCodes, RecoveryCodes } from '../mfa/factors/recovery.ts'
import { createBypassCodes } from '../mfa/factors/recovery-code/bypass-codes.ts'
import { createRecoveryCodes } from '../mfa/factors/recovery-code/recovery-codes.ts'
import { createRegistry, type Registry } from '../mfa/factors/registry.ts'
import { type HoldingDecision, holdingDecision } from '../mfa/policy/setup-decision.ts'
import type { RememberedDevices } from '../mfa/session/remembered-device.ts'
import type { RememberedDevicesDependencies } from '../mfa/session/remembered-devices/dependencies.ts'
import { createRememberedDevices } from '../mfa/session/remembered-devices/remembered-devices.ts'
import { createRenderer, type Renderer } from '../views/renderer.ts'
import { createTexts, type Texts } from '../views/texts.ts'
import type { Stores } from './stores.ts'

/** What follows from one reading of the file, for the gateway and for commands. */
export interface Services {
  /** As it was read. */
  file: Config
  /** The same, with what holds as `mfa.enabled`, whoever said so. */
  config: Config
  setupDecision: HoldingDecision
  texts: Texts
  renderer: Renderer
  mailer: Mailer | undefined
  notices: Notices
  registry: Registry
  recoveryCodes: RecoveryCodes
  bypassCodes: BypassCodes
  devices: RememberedDevices
  /**
   * Ends the connections to the mail server, once mails on their way there have come to their end. Twice is as good as
   * once.
   */
  closeServices(): void
}

type ServiceStores = Pick<
  Stores,
  | 'accounts'
  | 'bindings'
  | 'clock'
  | 'givenMailer'
  | 'kinds'
  | 'log'
  | 'outbox'
  | 'secretKey'
  | 'setupDecisions'
  | 'state'
  | 'trail'
>

export async function createServices(file: Config, stores: ServiceStores): Promise<Services> {
  const { secretKey, kinds, state, bindings, trail, clock, givenMailer } = stores
  const setupDecision = await holdingDecision(file.mfa.enabled, stores)
  const config = { ...file, mfa: { ...file.mfa, enabled: setupDecision.enabled } }
  const ownPages = kinds.flatMap(({ pages }) => pages ?? [])
  const texts = createTexts({ languages: config.languages, further: ownPages.map((pages) => pages.texts) })
  const renderer = createRenderer({ texts, further: ownPages.map(({ views }) => views) })
  const own =
    givenMailer === undefined && config.mail
      ? await mailerOf(config.mail, { renderer, texts, log: stores.log })
      : undefined
  const mailer = config.mail && (givenMailer ?? own)
  const sealer = createSealer(deriveKey(secretKey, 'state'))
  const notices = createNotices({
    mail: mailer !== undefined,
    serviceName: config.branding.name,
    locale: config.languages[0] ?? 'en',
    accountUrl: `${config.issuer}/account`,
  })
  const notify = deviceNotices(notices, stores)
  return {
    file,
    config,
    setupDecision,
    texts,
    renderer,
    mailer,
    notices,
    registry: createRegistry(authenticatorsOf(kinds, config, { mailer, secretKey })),
    recoveryCodes: createRecoveryCodes({ count: config.mfa.recoveryCodes }, { bindings, notices, clock }),
    bypassCodes: createBypassCodes({ bindings, notices, clock }),
    devices: createRememberedDevices({ grace: config.limits.deviceGrace }, { state, sealer, trail, clock, notify }),
    closeServices: () => own?.close(),
  }
}

/** What the owner of a remembered device is told about it. */
function deviceNotices(
  notices: Notices,
  { outbox, clock }: Pick<Stores, 'outbox' | 'clock'>,
): RememberedDevicesDependencies['notify'] {
  return (kind, { id, email, locale }, request) => {
    const { ip, userAgent: browser } = request
    const owner = { id, email, locale: locale ?? request.locale }
    return outbox.add(notices.of(kind, owner, { time: clock.now(), ip, browser }))
  }
}

async function mailerOf(
  options: NonNullable<Config['mail']>,
  dependencies: { renderer: Renderer; texts: Texts; log: Log },
): Promise<Mailer> {
  const { createSmtpMailer } = await import('../mail/smtp-mailer.ts')
  return createSmtpMailer(options, dependencies)
}

/** A kind that requires what this installation does not have is not there. */
function authenticatorsOf(
  kinds: readonly AuthenticatorKind[],
  config: Config,
  { mailer, secretKey }: { mailer: Mailer | undefined; secretKey: Buffer },
) {
  const present: Record<Requirement, boolean> = { mail: mailer !== undefined }
  const dependencies = {
    mailer,
    secretKey,
    serviceName: config.branding.name,
    limits: config.limits,
    recoveryCodes: config.mfa.recoveryCodes,
  }
  return kinds
    .filter(({ requires }) => requires.every((requirement) => present[requirement]))
    .map((kind) => kind.create(config.mfa.blocks[kind.type], dependencies))
}
