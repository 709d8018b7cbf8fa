/** `npm run test:long`: everything that chance decides is tried more often, and every look of a page is judged. */
export const LONG = process.env.STEPGATE_TEST_LENGTH === 'long'

/** How often a property is put to the test, for fast-check. */
export const RUNS = { numRuns: LONG ? 5000 : 500 }
