// For a process under test: what comes once a minute comes ten times a second.
const { setInterval: every } = globalThis
const MINUTE = 60_000

globalThis.setInterval = (work, delay, ...given) => every(work, delay === MINUTE ? 100 : delay, ...given)
