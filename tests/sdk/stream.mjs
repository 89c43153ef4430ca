// Sends people and events through Segment's own library for Node, as a customer's service does.
//
// stream.mjs HOST WRITE_KEY FIRST COUNT: identifies COUNT people from number FIRST on, and tracks one event of each.
// Ends with an error if anything could not be handed over.
import { createRequire } from 'node:module'

const require = createRequire(`${process.env.NODE_FOLDER}/`)
const { Analytics } = require('@segment/analytics-node')

const [host, writeKey, first, count] = process.argv.slice(2)
const analytics = new Analytics({ host, writeKey, flushAt: 100, maxRetries: 20 })
const failed = []
analytics.on('error', (error) => failed.push(error))
for (let n = Number(first); n < Number(first) + Number(count); n++) {
  analytics.identify({
    userId: `p${n}`,
    traits: { email: `p${n}@example.com`, plan: n % 10 ? 'pro' : 'free' },
  })
  analytics.track({ userId: `p${n}`, event: 'Lapsed', properties: { n } })
}
await analytics.closeAndFlush({ timeout: 120_000 })
if (failed.length > 0) {
  console.error('not handed over:', failed.slice(0, 3))
  process.exit(1)
}
console.log(count)
