import { registerHooks } from 'node:module'

/** `node --import` this: whoever imports the password hash gets one that costs nothing. Everything else of the server stays what it is. */
registerHooks({
  resolve(specifier, context, next) {
    if (specifier !== '@node-rs/argon2') return next(specifier, context)
    return { url: new URL('./argon2.ts', import.meta.url).href, format: 'module-typescript', shortCircuit: true }
  },
})
