import { describe } from 'node:test'
import { needs } from '../harness/needs.ts'
import { asksCode, judgePages } from './judge.ts'
import { STATES } from './states.ts'

describe('every page that asks for a code', { skip: needs('chromium-headless-shell') }, () => {
  judgePages(STATES.filter(asksCode))
})
