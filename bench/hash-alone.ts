import { verify } from '@node-rs/argon2'

/** Nothing but password hashes, as many at a time as there are cores, in a process whose CPU can be read. */
process.on('message', (order: { hash: string; password: string; verifies: number; concurrency: number }) => {
  let begun = 0
  const one = async (): Promise<void> => {
    while (begun < order.verifies) {
      begun += 1
      if (!(await verify(order.hash, order.password))) throw new Error('the hash is not that of the password')
    }
  }
  void Promise.all(Array.from({ length: order.concurrency }, one)).then(() => process.send?.('done'))
})
