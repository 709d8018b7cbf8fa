import { registerHooks } from 'node:module'

const REPLACED = '@node-rs/argon2'
const REPLACEMENT = new URL('./argon2.ts', import.meta.url).href

/**
 * `node --import` this: whoever imports the password hash gets one that costs nothing. Everything else of the server
 * stays what it is.
 */
registerHooks({
  resolve(specifier, context, next) {
    if (specifier !== REPLACED || context.parentURL === REPLACEMENT) return next(specifier, context)
    return { url: REPLACEMENT, format: 'module-typescript', shortCircuit: true }
  },
})
