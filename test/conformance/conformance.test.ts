import { suite } from 'uvu'
import { person, startRelay, type TestRelay } from '../harness.ts'
import { fetchInfo, notListed, runCheck, type Suite } from './check.ts'
import { nip13 } from './nip13.ts'
import { suites } from './suites.ts'

// The checks that apply depend on what a relay says of itself, so it is asked before the tests are named. What asks
// for work needs a relay of its own: with the defaults nobody has to.
const admin = person()
const relay = await startRelay({ set: [`management.admins=["${admin.pubkey}"]`] })
const strict = await startRelay({ set: ['events.minPowDifficulty=10'], plugins: [] })

const test = suite('conformance')
test.after(() => relay.stop())
test.after(() => strict.stop())
await ask(
  relay,
  suites.filter(one => one !== nip13),
)
await ask(strict, [nip13])
test.run()

async function ask({ url }: TestRelay, asked: readonly Suite[]): Promise<void> {
  const info = await fetchInfo(url)
  for (const one of asked) {
    const unlisted = notListed(one, info)
    if (unlisted) console.log(`SKIP ${one.name}: ${unlisted}`)
    for (const check of one.checks) {
      const reason = unlisted ?? check.inapplicable?.({ info, admin: admin.secret })
      const title = `${one.name}: ${check.name}`
      if (reason) test.skip(`${title} (${reason})`)
      else test(title, () => runCheck(check, { url, info, admin: admin.secret }))
    }
  }
}
