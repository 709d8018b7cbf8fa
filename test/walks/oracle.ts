import {
  type Asked,
  type Claims,
  type Device,
  type Issue,
  newest,
  type Proof,
  type Session,
  type WalkAccount,
} from './model.ts'
import { DAY, ELSEWHERE, type Factor, type Level, SECOND, type WalkClient, type World } from './world.ts'

const RANK: readonly Level[] = ['pwd', '2sv', 'mfa']
const PREFIX = 'urn:stepgate:acr:'

export const rank = (level: Level): number => RANK.indexOf(level)
export const nameOf = (level: Level): string => `${PREFIX}${level}`

export function levelOf(name: string): Level | undefined {
  return RANK.find((level) => nameOf(level) === name)
}

export function askedOf(
  world: World,
  given: { account: WalkAccount; client: WalkClient; address: string; params: Readonly<Record<string, string>> },
): Asked {
  const { account, client, address, params } = given
  const rule = world.rules.find(({ clients, group, elsewhere }) => {
    const here = elsewhere === undefined || address === ELSEWHERE
    return clients.includes(client.id) && here && (group === undefined || account.groups.includes(group))
  })
  const methods = rule?.methods ?? (world.smtp === undefined ? (['totp'] as const) : (['email', 'totp'] as const))
  const secondFactor = rule?.secondFactor ?? world.profile.mfa
  const bound = boundOf(account).some((method) => methods.includes(method))
  const { levels, impossible } = requestOf(client, params)
  const floors = [rule?.require ?? 'pwd', client.require ?? 'pwd']
  return {
    rule: rule?.name ?? '',
    floor: floors.includes('mfa') ? 'mfa' : floors.includes('2sv') ? '2sv' : 'pwd',
    levels,
    impossible,
    secondFactor: secondFactor === 'required' || (secondFactor === 'if-bound' && bound),
    methods,
    rememberDays: rule?.rememberDays ?? 30,
    maxAge: rule?.maxAge,
    grace: rule?.grace,
    deny: rule?.deny === true,
  }
}

function boundOf(account: WalkAccount): Factor[] {
  return [...(account.apps.length > 0 ? (['totp'] as const) : []), ...(account.mailBound ? (['email'] as const) : [])]
}

function requestOf(client: WalkClient, params: Readonly<Record<string, string>>): Pick<Asked, 'levels' | 'impossible'> {
  const acr = (JSON.parse(params.claims ?? '{}') as AcrRequest).id_token?.acr
  const claimed = acr === undefined ? [] : [...(acr.values ?? []), ...(acr.value === undefined ? [] : [acr.value])]
  const listed = params.acr_values?.split(' ') ?? client.defaultAcr ?? []
  const values = acr?.essential === true || listed.length === 0 ? claimed : listed
  const levels = values.map(levelOf).filter((level) => level !== undefined)
  return {
    levels: levels.length > 0 ? levels : undefined,
    impossible: acr?.essential === true && levels.length === 0,
  }
}

interface AcrRequest {
  id_token?: { acr?: { essential?: boolean; value?: string; values?: string[] } }
}

/** The levels these proofs are worth. */
export function worth(proofs: readonly Proof[]): Level[] {
  const has = (method: Proof['method']): boolean => proofs.some((proof) => proof.method === method)
  if (!has('password')) return []
  if (has('totp')) return ['pwd', '2sv', 'mfa']
  return has('email') ? ['pwd', '2sv'] : ['pwd']
}

/** What else a sign-in may stand on. */
export interface Standing {
  proofs: readonly Proof[]
  /** Undefined where no remembered device may help. */
  devices: readonly Device[] | undefined
  session: Pick<Session, 'account' | 'postponed'>
  /** When proofs are judged. */
  asOf: number
  now: number
}

const ROUNDING = SECOND

/** Why this account must not get in; undefined: it may. */
export function objection(asked: Asked, standing: Standing, world: World): string | undefined {
  const { account } = standing.session
  if (account.disabled) return 'the account is disabled'
  if (asked.deny) return `rule ${asked.rule} denies`
  if (asked.impossible) return 'no value of an essential acr is known'
  const live = liveOf(asked, standing)
  const levels = worth(live)
  if (!levels.includes('pwd')) return 'no password was proved'
  if (!levels.includes(asked.floor)) return `the floor is ${asked.floor}, proved is ${methodsOf(live)}`
  if (asked.levels !== undefined && !asked.levels.some((level) => levels.includes(level))) {
    return `the request wants ${asked.levels}, proved is ${methodsOf(live)}`
  }
  if (!asked.secondFactor) return undefined
  if (live.some(({ method }) => asked.methods.some((allowed) => allowed === method))) return undefined
  if (rememberedFor(asked, standing) || postponedFor(asked, standing, world)) return undefined
  return `policy wants one of ${asked.methods}, proved is ${methodsOf(live)}`
}

/** Young enough, and of the kinds that are accepted here (B2). */
export function liveOf({ maxAge, methods }: Asked, { proofs, asOf }: Pick<Standing, 'proofs' | 'asOf'>): Proof[] {
  const accepted = ({ method }: Proof): boolean => method === 'password' || methods.includes(method)
  return newest(proofs).filter(
    (proof) => accepted(proof) && (maxAge === undefined || asOf - proof.at <= maxAge + ROUNDING),
  )
}

function rememberedFor(asked: Asked, { devices, session: { account }, now }: Standing): boolean {
  if (asked.floor !== 'pwd' || (asked.levels !== undefined && !asked.levels.includes('pwd'))) return false
  return (devices ?? []).some((device) => {
    const same = device.account === account && device.epoch === account.sessions && device.factors === account.factors
    const days = Math.min(device.days, asked.rememberDays)
    return same && asked.methods.includes(device.method) && now < device.provenAt + days * DAY
  })
}

function postponedFor(asked: Asked, { session, now }: Standing, world: World): boolean {
  const { account, postponed } = session
  const { grace } = asked
  if (grace === undefined || postponed?.rule !== asked.rule) return false
  if (usableOf(account, asked, world).length > 0) return false
  if ('within' in grace) return now < postponed.firstAt + grace.within
  return (account.postponements.get(asked.rule)?.count ?? 0) <= grace.signIns
}

/** Allowed factors that the account could prove without binding anything. */
export function usableOf(account: WalkAccount, { methods }: Pick<Asked, 'methods'>, world: World): Factor[] {
  return methods.filter((method) =>
    method === 'totp' ? account.apps.length > 0 : account.email !== undefined && world.smtp !== undefined,
  )
}

/** What is wrong with an ID token; undefined: nothing. */
export function wrongClaims(issue: Issue, given: { claims: Claims; live: readonly Proof[] }): string | undefined {
  const { asked } = issue
  const { claims, live } = given
  if (claims.sub !== issue.account.id) return `sub is ${claims.sub}, not ${issue.account.username}`
  const level = levelOf(claims.acr)
  if (level === undefined) return `acr ${claims.acr} is none of ours`
  if (!worth(live).includes(level)) return `acr ${claims.acr} of ${methodsOf(live)}`
  if (rank(level) < rank(asked.floor)) return `acr ${claims.acr} below the floor ${asked.floor}`
  const wanted = asked.levels?.filter((each) => rank(each) >= rank(asked.floor)) ?? []
  if (wanted.length > 0 && !wanted.includes(level)) return `acr ${claims.acr} where ${wanted} was asked for`
  return wrongMethods(claims, { level, live }) ?? wrongTime(claims, issue, { level, live })
}

function wrongMethods({ amr }: Claims, { level, live }: { level: Level; live: readonly Proof[] }): string | undefined {
  const proved = live.map(({ method }) => method)
  const may = new Set<string>()
  if (proved.includes('password')) may.add('pwd')
  if (proved.includes('email')) for (const value of ['otp', 'mca', 'mfa']) may.add(value)
  if (proved.includes('totp')) for (const value of ['otp', 'mfa']) may.add(value)
  const lie = amr.find((value) => !may.has(value))
  if (lie !== undefined) return `amr ${amr} names ${lie}, proved is ${proved}`
  if (!amr.includes('pwd')) return `amr ${amr} without pwd`
  if (level !== 'pwd' && !(amr.includes('mfa') && amr.includes('otp'))) return `amr ${amr} beside acr ${level}`
  return undefined
}

function wrongTime(
  { auth_time }: Claims,
  { request, proofs }: Issue,
  { level, live }: { level: Level; live: readonly Proof[] },
): string | undefined {
  const at = (counts: (method: Proof['method']) => boolean): number =>
    Math.max(...live.filter(({ method }) => counts(method)).map((proof) => proof.at))
  const password = at((method) => method === 'password')
  const second = at((method) => method === 'totp' || (method === 'email' && level === '2sv'))
  const oldest = Math.floor((level === 'pwd' ? password : Math.min(password, second)) / SECOND)
  if (auth_time > oldest) return `auth_time ${auth_time} is newer than the oldest proof that counts, ${oldest}`
  // A page that was opened before somebody signed in elsewhere brings proofs of its own, and older ones.
  if (!proofs.some((proof) => Math.floor(proof.at / SECOND) === auth_time))
    return `auth_time ${auth_time} is no proof's`
  const earliest = Math.floor(request.startedAt / SECOND) - Number(request.params.max_age ?? Number.POSITIVE_INFINITY)
  if (auth_time < earliest - 1) return `auth_time ${auth_time} is older than max_age allows, ${earliest}`
  return undefined
}

const methodsOf = (proofs: readonly Proof[]): string => proofs.map(({ method }) => method).join(' + ') || 'nothing'
