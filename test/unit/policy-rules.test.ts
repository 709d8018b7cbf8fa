import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Grace } from '../../src/config/config.ts'
import { DAY, HOUR, MINUTE } from '../../src/kernel/clock.ts'
import { canonicalAddress, createNetworks } from '../../src/kernel/network.ts'
import type { Level } from '../../src/mfa/assurance/levels.ts'
import { type Demand, demand, type Policy, type Rule, type SecondFactor } from '../../src/mfa/policy/policy.ts'
import { factsOf } from './facts.ts'

interface When {
  clients?: string[]
  groups?: string[]
  networks?: string[]
}

type Then = Omit<Rule, 'name' | 'when'>

/** What is not given: nobody in particular, from nowhere in particular, with nothing bound. */
interface Who {
  client?: string
  floor?: Level
  groups?: string[]
  from?: string
  requested?: Level[]
  bound?: string[]
  mailbox?: true
}

const DEFAULT: Policy = {
  secondFactor: 'required',
  methods: ['email', 'totp'],
  fallbacks: [],
  rememberDays: 30,
  grace: 'none',
  rules: [],
}

function rule(name: string, { clients, groups, networks }: When, then: Then = {}): Rule {
  return { name, when: { clients, groups, networks: networks && createNetworks(networks) }, ...then }
}

/** Addresses come canonical, as they do from the front door. */
function asked(policy: Policy, { client = 'app', floor, groups = [], from = '203.0.113.5', ...who }: Who): Demand {
  const facts = factsOf({
    client: { id: client, require: floor },
    address: canonicalAddress(from) ?? '',
    requested: who.requested,
    account: { groups, bound: who.bound ?? [], usableUnbound: who.mailbox ? ['email'] : [] },
  })
  return demand(policy, facts)
}

const rules = (...list: Rule[]): Policy => ({ ...DEFAULT, rules: list })

describe('one condition: whom a rule matches', () => {
  const rows: [string, When, Who, matches: boolean][] = [
    ['no condition: everybody', {}, {}, true],
    ['the client', { clients: ['erp'] }, { client: 'erp' }, true],
    ['one of the clients', { clients: ['crm', 'erp'] }, { client: 'erp' }, true],
    ['another client', { clients: ['erp'] }, { client: 'app' }, false],
    ['a client whose id begins alike', { clients: ['erp'] }, { client: 'erp-test' }, false],
    ['a client in capitals', { clients: ['erp'] }, { client: 'ERP' }, false],
    ['no client at all in the list', { clients: [] }, { client: 'erp' }, false],
    ['a star is a client of that name', { clients: ['*'] }, { client: 'erp' }, false],
    ['the group', { groups: ['staff'] }, { groups: ['staff'] }, true],
    ['one of the account’s groups', { groups: ['staff'] }, { groups: ['all', 'staff', 'x'] }, true],
    ['one of the rule’s groups', { groups: ['board', 'staff'] }, { groups: ['staff'] }, true],
    ['an account without groups', { groups: ['staff'] }, {}, false],
    ['another group', { groups: ['staff'] }, { groups: ['guests'] }, false],
    ['a group whose name begins alike', { groups: ['staff'] }, { groups: ['staff-admin'] }, false],
    ['no group at all in the list', { groups: [] }, { groups: ['staff'] }, false],
    ['an IPv4 network', { networks: ['192.0.2.0/24'] }, { from: '192.0.2.255' }, true],
    ['the address before it', { networks: ['192.0.2.0/24'] }, { from: '192.0.1.255' }, false],
    ['the address after it', { networks: ['192.0.2.0/24'] }, { from: '192.0.3.0' }, false],
    ['a network that is no whole octet', { networks: ['10.0.0.0/9'] }, { from: '10.127.255.255' }, true],
    ['the address after that', { networks: ['10.0.0.0/9'] }, { from: '10.128.0.0' }, false],
    ['a single IPv4 address', { networks: ['192.0.2.9'] }, { from: '192.0.2.9' }, true],
    ['its neighbour', { networks: ['192.0.2.9'] }, { from: '192.0.2.8' }, false],
    ['the second network of two', { networks: ['192.0.2.0/24', '198.51.100.0/24'] }, { from: '198.51.100.1' }, true],
    ['an IPv6 network', { networks: ['2001:db8:1::/48'] }, { from: '2001:db8:1:ffff::1' }, true],
    ['another IPv6 network', { networks: ['2001:db8:1::/48'] }, { from: '2001:db8:2::1' }, false],
    ['a single IPv6 address, written out', { networks: ['2001:db8::1'] }, { from: '2001:0DB8:0:0:0:0:0:1' }, true],
    ['IPv4 in IPv6 clothes', { networks: ['192.0.2.0/24'] }, { from: '::ffff:192.0.2.7' }, true],
    ['the same in hexadecimal', { networks: ['192.0.2.0/24'] }, { from: '::ffff:c000:207' }, true],
    ['IPv4 in IPv6 clothes from elsewhere', { networks: ['192.0.2.0/24'] }, { from: '::ffff:192.0.3.7' }, false],
    ['a network in IPv6 clothes', { networks: ['::ffff:192.0.2.0/120'] }, { from: '192.0.2.7' }, true],
    [
      'the address after it, in clothes too',
      { networks: ['::ffff:192.0.2.0/120'] },
      { from: '::ffff:192.0.3.0' },
      false,
    ],
    ['a single address in IPv6 clothes', { networks: ['::ffff:192.0.2.7'] }, { from: '192.0.2.7' }, true],
    ['all of IPv4 in IPv6 clothes', { networks: ['::ffff:0:0/96'] }, { from: '203.0.113.1' }, true],
    ['that, and an IPv6 address', { networks: ['::ffff:0:0/96'] }, { from: '2001:db8::1' }, false],
    ['an IPv6 address, and all of IPv4', { networks: ['0.0.0.0/0'] }, { from: '2001:db8::1' }, false],
    ['an IPv4 address, and all of IPv6', { networks: ['::/0'] }, { from: '192.0.2.7' }, false],
    ['a mixed list, IPv6', { networks: ['192.0.2.0/24', '2001:db8::/32'] }, { from: '2001:db8::7' }, true],
    ['a mixed list, IPv4', { networks: ['2001:db8::/32', '192.0.2.0/24'] }, { from: '192.0.2.7' }, true],
    ['an address that is none', { networks: ['0.0.0.0/0', '::/0'] }, { from: 'somewhere' }, false],
    ['no network at all in the list', { networks: [] }, { from: '192.0.2.7' }, false],
  ]
  for (const [title, when, who, matches] of rows) {
    test(`${title}: ${matches ? 'matches' : 'does not match'}`, () => {
      const { rule: name, rememberDays } = asked(rules(rule('it', when, { rememberDays: 1 })), who)
      assert.deepEqual(
        { name, rememberDays },
        matches ? { name: 'it', rememberDays: 1 } : { name: null, rememberDays: 30 },
      )
    })
  }
})

describe('several conditions: all of them have to hold', () => {
  const when: When = { clients: ['erp'], groups: ['staff'], networks: ['192.0.2.0/24'] }
  const rows: [client: string, group: string, from: string, string | null][] = [
    ['erp', 'staff', '192.0.2.1', 'it'],
    ['erp', 'staff', '198.51.100.1', null],
    ['erp', 'guests', '192.0.2.1', null],
    ['erp', 'guests', '198.51.100.1', null],
    ['app', 'staff', '192.0.2.1', null],
    ['app', 'staff', '198.51.100.1', null],
    ['app', 'guests', '192.0.2.1', null],
    ['app', 'guests', '198.51.100.1', null],
  ]
  for (const [client, group, from, expected] of rows) {
    test(`${client}, ${group}, ${from}: ${expected ?? 'the default'}`, () =>
      assert.equal(asked(rules(rule('it', when)), { client, groups: [group], from }).rule, expected))
  }
})

describe('several rules: the first that matches decides alone', () => {
  const open = rule('office', { networks: ['192.0.2.0/24'] }, { secondFactor: 'off' })
  const strict = rule('erp', { clients: ['erp'] }, { require: 'mfa', methods: ['totp'], maxAge: HOUR })
  const closed = rule('left', { groups: ['left'] }, { deny: true })
  const rest = rule('rest', {}, { rememberDays: 7 })
  const everything: Who = { client: 'erp', groups: ['left'], from: '192.0.2.1' }
  const rows: [string, Rule[], Who, Partial<Demand>][] = [
    ['the open one first', [open, strict, closed], everything, { rule: 'office', require: 'pwd', deny: false }],
    ['the strict one first', [strict, open, closed], everything, { rule: 'erp', require: 'mfa', deny: false }],
    ['the closed one first', [closed, open, strict], everything, { rule: 'left', require: 'pwd', deny: true }],
    ['what does not match is passed over', [open, closed, strict], { client: 'erp' }, { rule: 'erp', maxAge: HOUR }],
    ['a rule for all at the end', [open, strict, closed, rest], {}, { rule: 'rest', rememberDays: 7 }],
    ['a rule for all at the start', [rest, closed], everything, { rule: 'rest', deny: false }],
    ['nothing matches', [open, strict, closed], {}, { rule: null, secondFactor: 'required', rememberDays: 30 }],
    ['no rule at all', [], everything, { rule: null, secondFactor: 'required', rememberDays: 30 }],
    ['the later adds no age', [open, strict], everything, { maxAge: undefined, methods: ['email', 'totp'] }],
    ['the later adds no days', [strict, rest], everything, { methods: ['totp'], rememberDays: 0 }],
    ['two of one name: the first', [rest, { ...rest, rememberDays: 9 }], {}, { rule: 'rest', rememberDays: 7 }],
  ]
  for (const [title, list, who, expected] of rows) {
    test(title, () => {
      const answer = asked(rules(...list), who)
      assert.deepEqual({ ...answer, ...expected }, answer)
    })
  }
})

describe('one term: the rule’s where it has one, the default’s where it has none', () => {
  const unusual: Partial<Policy> = { secondFactor: 'if-bound', methods: ['totp', 'email'], rememberDays: 5 }
  const waits: Grace = { signIns: 3 }
  const rows: [string, Partial<Policy>, Then, Partial<Demand>][] = [
    [
      'secondFactor: required over off',
      { secondFactor: 'off' },
      { secondFactor: 'required' },
      { asksSecondFactor: true },
    ],
    ['secondFactor: off over required', {}, { secondFactor: 'off' }, { secondFactor: 'off', asksSecondFactor: false }],
    ['secondFactor: if-bound over required', {}, { secondFactor: 'if-bound' }, { asksSecondFactor: false }],
    ['secondFactor inherited', unusual, { maxAge: MINUTE }, { secondFactor: 'if-bound' }],
    ['methods: fewer', {}, { methods: ['totp'] }, { methods: ['totp'] }],
    ['methods: in another order', {}, { methods: ['totp', 'email'] }, { methods: ['totp', 'email'] }],
    ['methods: one the default has not', {}, { methods: ['card'] }, { methods: ['card'] }],
    ['methods: none', {}, { methods: [] }, { methods: [], asksSecondFactor: true }],
    ['methods inherited', unusual, { secondFactor: 'required' }, { methods: ['totp', 'email'] }],
    ['rememberDays: more', {}, { rememberDays: 90 }, { rememberDays: 90 }],
    ['rememberDays: fewer', {}, { rememberDays: 1 }, { rememberDays: 1 }],
    ['rememberDays: 0 is a value', {}, { rememberDays: 0 }, { rememberDays: 0 }],
    ['rememberDays over 0', { rememberDays: 0 }, { rememberDays: 2 }, { rememberDays: 2 }],
    ['rememberDays inherited', unusual, { deny: false }, { rememberDays: 5 }],
    ['maxAge', {}, { maxAge: 15 * MINUTE }, { maxAge: 15 * MINUTE }],
    ['maxAge: 0 is a value', {}, { maxAge: 0 }, { maxAge: 0 }],
    ['maxAge: the default has none', unusual, {}, { maxAge: undefined }],
    ['grace: sign-ins over none', {}, { grace: waits }, { grace: waits }],
    ['grace: none over sign-ins', { grace: waits }, { grace: 'none' }, { grace: 'none' }],
    ['grace: days over sign-ins', { grace: waits }, { grace: { within: DAY } }, { grace: { within: DAY } }],
    ['grace inherited', { grace: { until: 7 } }, { rememberDays: 3 }, { grace: { until: 7 } }],
    ['deny', {}, { deny: true }, { deny: true, rule: 'it' }],
    ['deny: false denies nobody', {}, { deny: false }, { deny: false, rule: 'it' }],
    ['deny leaves the rest as it is', {}, { deny: true, require: 'mfa' }, { deny: true, require: 'mfa' }],
    ['require', {}, { require: '2sv' }, { require: '2sv', rememberDays: 0 }],
    [
      'require with secondFactor off',
      {},
      { require: 'mfa', secondFactor: 'off' },
      { require: 'mfa', asksSecondFactor: false },
    ],
    ['require: the default has none', unusual, {}, { require: 'pwd' }],
  ]
  for (const [title, terms, then, expected] of rows) {
    test(title, () => {
      const answer = asked({ ...DEFAULT, ...terms, rules: [rule('it', {}, then)] }, {})
      assert.deepEqual({ ...answer, ...expected }, answer)
    })
  }
})

describe('two floors: the higher one, and no device above the password’s', () => {
  const LEVELS = ['-', 'pwd', '2sv', 'mfa', 'phr', 'phrh'] as const
  // A row per floor of the rule, a column per floor of the client, both in the order above.
  const table = `
    pwd  pwd  2sv  mfa  phr  phrh
    pwd  pwd  2sv  mfa  phr  phrh
    2sv  2sv  2sv  mfa  phr  phrh
    mfa  mfa  mfa  mfa  phr  phrh
    phr  phr  phr  phr  phr  phrh
    phrh phrh phrh phrh phrh phrh`
  const cells = table.trim().split(/\s+/)
  const levelOf = (text: (typeof LEVELS)[number]): Level | undefined => (text === '-' ? undefined : text)
  for (const [row, ofRule] of LEVELS.entries()) {
    for (const [column, ofClient] of LEVELS.entries()) {
      const expected = cells[row * LEVELS.length + column]
      test(`rule ${ofRule}, client ${ofClient}: ${expected}`, () => {
        const policy = rules(rule('it', {}, { require: levelOf(ofRule) }))
        const floor = levelOf(ofClient)
        const { require, rememberDays } = asked(policy, floor === undefined ? {} : { floor })
        assert.deepEqual({ require, rememberDays }, { require: expected, rememberDays: expected === 'pwd' ? 30 : 0 })
      })
    }
  }

  test('the client’s floor holds where no rule matches', () =>
    assert.equal(asked(rules(rule('it', { clients: ['erp'] }, { require: 'phr' })), { floor: 'mfa' }).require, 'mfa'))
})

describe('what the request asks for', () => {
  const rows: [string, Then, Who, Partial<Demand>][] = [
    ['nothing: days as the rule has them', { rememberDays: 9 }, {}, { requested: undefined, rememberDays: 9 }],
    ['pwd', { rememberDays: 9 }, { requested: ['pwd'] }, { requested: ['pwd'], rememberDays: 9 }],
    ['2sv', { rememberDays: 9 }, { requested: ['2sv'] }, { requested: ['2sv'], rememberDays: 0 }],
    ['mfa', { rememberDays: 9 }, { requested: ['mfa'] }, { requested: ['mfa'], rememberDays: 0 }],
    ['phr', { rememberDays: 9 }, { requested: ['phr'] }, { requested: ['phr'], rememberDays: 0 }],
    ['2sv or mfa', { rememberDays: 9 }, { requested: ['2sv', 'mfa'] }, { requested: ['2sv', 'mfa'], rememberDays: 0 }],
    ['mfa or pwd, in its order', {}, { requested: ['mfa', 'pwd'] }, { requested: ['mfa', 'pwd'], rememberDays: 30 }],
    ['pwd under a floor', { require: '2sv' }, { requested: ['pwd'] }, { require: '2sv', rememberDays: 0 }],
    ['pwd under the client’s floor', {}, { requested: ['pwd'], floor: 'mfa' }, { require: 'mfa', rememberDays: 0 }],
    ['more than the floor lifts no floor', { require: '2sv' }, { requested: ['mfa'] }, { require: '2sv' }],
    ['a level where policy asks nothing', { secondFactor: 'off' }, { requested: ['mfa'] }, { asksSecondFactor: false }],
    ['a level where the rule denies', { deny: true }, { requested: ['pwd'] }, { deny: true }],
    ['a rule of 0 days and pwd', { rememberDays: 0 }, { requested: ['pwd'] }, { rememberDays: 0 }],
  ]
  for (const [title, then, who, expected] of rows) {
    test(title, () => {
      const answer = asked(rules(rule('it', {}, then)), who)
      assert.deepEqual({ ...answer, ...expected }, answer)
    })
  }
})

describe('what the account has: it matters to if-bound alone', () => {
  const rows: [SecondFactor, methods: string[], Who, asks: boolean][] = [
    ['required', ['email', 'totp'], {}, true],
    ['required', ['email', 'totp'], { bound: ['totp'] }, true],
    ['required', [], { mailbox: true }, true],
    ['if-bound', ['email', 'totp'], {}, false],
    ['if-bound', ['email', 'totp'], { mailbox: true }, false],
    ['if-bound', ['email', 'totp'], { bound: ['totp'] }, true],
    ['if-bound', ['email', 'totp'], { bound: ['email'] }, true],
    ['if-bound', ['totp'], { bound: ['email', 'totp'] }, true],
    ['if-bound', ['totp'], { bound: ['email'], mailbox: true }, false],
    ['if-bound', [], { bound: ['email', 'totp'] }, false],
    ['if-bound', ['email', 'totp'], { bound: ['card'] }, false],
    ['off', ['email', 'totp'], {}, false],
    ['off', ['email', 'totp'], { bound: ['email', 'totp'], mailbox: true }, false],
  ]
  for (const [secondFactor, methods, who, asks] of rows) {
    const has = [...(who.bound ?? []), ...(who.mailbox ? ['a mailbox'] : [])].join(' and ') || 'nothing'
    test(`${secondFactor}, of ${methods.join(', ') || 'none'}, ${has}: ${asks ? 'asks' : 'does not ask'}`, () => {
      const answer = asked(rules(rule('it', {}, { secondFactor, methods })), who)
      assert.equal(answer.asksSecondFactor, asks)
    })
  }
})
