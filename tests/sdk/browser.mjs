// Sends people and events through Segment's own library for browsers, from a page of another origin than the host's.
//
// browser.mjs HOST WRITE_KEY ORIGIN single|batching COUNT: identifies COUNT people, tracks one event of each, and shows a page.
// The page keeps the rules of browsers: what the host does not allow its origin to send, or to read, fails.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'

const require = createRequire(`${process.env.NODE_FOLDER}/`)
const { JSDOM, VirtualConsole } = require('jsdom')
const library = require.resolve('@segment/analytics-next').replace(/dist.*/, 'dist/umd/index.js')

const [host, writeKey, origin, strategy, count] = process.argv.slice(2)
const told = new VirtualConsole()
const said = []
told.on('jsdomError', (error) => said.push(error.message))
const page = new JSDOM('<!doctype html><title>Shop</title>', {
  url: `${origin}/`,
  runScripts: 'outside-only',
  virtualConsole: told,
})
// Without a `fetch` of the page's own the library asks by XMLHttpRequest, whose rules jsdom keeps.
page.window.eval(readFileSync(library, 'utf8'))
const { AnalyticsBrowser } = page.window.AnalyticsNext ?? page.window
const settings = { writeKey, cdnURL: host }
const segment = strategy === 'batching' ? { deliveryStrategy: { strategy, config: { size: 10, timeout: 200 } } } : {}
const failed = []
try {
  const [analytics] = await AnalyticsBrowser.load(settings, { integrations: { 'Segment.io': segment } })
  analytics.on('error', (error) => failed.push(String(error.reason ?? error)))
  for (let n = 0; n < Number(count); n++) {
    analytics.reset()
    await analytics.identify(`p${n}`, { email: `p${n}@example.com`, plan: n % 10 ? 'pro' : 'free' })
    await analytics.track('Lapsed', { n })
  }
  await analytics.page('Shop')
  await new Promise((done) => setTimeout(done, 1_000))
} catch (error) {
  failed.push(String(error))
}
if (failed.length > 0 || said.length > 0) {
  console.error('not handed over:', failed.slice(0, 3), said.slice(0, 3))
  process.exit(1)
}
console.log(count)
process.exit(0)
