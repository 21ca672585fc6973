import { suite } from 'uvu'
import { person, startRelay } from '../harness.ts'
import { fetchInfo, notListed, runCheck } from './check.ts'
import { suites } from './suites.ts'

// The checks that apply depend on what the relay says of itself, so it is asked before the tests are named.
const admin = person()
const relay = await startRelay({ set: [`management.admins=["${admin.pubkey}"]`] })
const info = await fetchInfo(relay.url)

const test = suite('conformance')
test.after(() => relay.stop())
for (const { name, checks, ...rest } of suites) {
  const unlisted = notListed({ name, checks, ...rest }, info)
  if (unlisted) console.log(`SKIP ${name}: ${unlisted}`)
  for (const one of checks) {
    const reason = unlisted ?? one.inapplicable?.({ info, admin: admin.secret })
    const title = `${name}: ${one.name}`
    if (reason) test.skip(`${title} (${reason})`)
    else test(title, () => runCheck(one, { url: relay.url, info, admin: admin.secret }))
  }
}
test.run()
