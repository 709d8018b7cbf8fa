import type { Facts } from '../../src/mfa/policy/policy.ts'

export interface GivenFacts extends Partial<Omit<Facts, 'client' | 'account'>> {
  client?: Partial<Facts['client']>
  account?: Partial<Facts['account']>
}

/**
 * What policy goes by where nothing is given: an application without a floor, an account with no factor and no group.
 */
export function factsOf({ client, account, ...rest }: GivenFacts = {}): Facts {
  return {
    client: { id: 'app', require: undefined, ...client },
    address: '203.0.113.5',
    requested: undefined,
    account: { groups: [], bound: [], usableUnbound: [], ...account },
    ...rest,
  }
}
