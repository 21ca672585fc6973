/**
 * Runs the conformance suites against any relay:
 * `npm run conformance -- ws://host:port [--only nip42] [--force] [--admin-key-file FILE]`.
 * A suite whose NIP the relay does not list is skipped, unless forced.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type Check, fetchInfo, notListed, runCheck } from '../test/conformance/check.ts'
import { connect } from '../test/conformance/client.ts'
import { suites } from '../test/conformance/suites.ts'

const DEADLINE_MS = 60_000

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', default: '' },
    force: { type: 'boolean', default: false },
    'admin-key-file': { type: 'string' },
  },
})
const [url] = positionals
const chosen = suites.filter(({ name }) => name.includes(values.only))
if (!url || !/^wss?:\/\//.test(url) || chosen.length === 0) {
  console.error(
    'usage: npm run conformance -- ws://host:port [--only nip42] [--force] [--admin-key-file FILE]',
  )
  console.error(`suites: ${suites.map(({ name }) => name).join(' ')}`)
  process.exit(2)
}
const keyFile = values['admin-key-file']
const admin = keyFile
  ? Uint8Array.from(Buffer.from(readFileSync(keyFile, 'utf8').trim(), 'hex'))
  : undefined
// A relay that is not there is one sentence, not two hundred failures.
await connect(url).then(
  client => client.close(),
  error => {
    console.error(`cannot connect to ${url}: ${error.message}`)
    process.exit(2)
  },
)
const info = await fetchInfo(url)
const relay = { url, info, admin }
const counts = { pass: 0, fail: 0, skip: 0 }

console.log(
  `${info.name ?? url}  ${info.software ?? ''}  NIPs ${info.supported_nips?.join(' ') ?? 'not listed'}`,
)
for (const suite of chosen) {
  console.log(`\n${suite.name}`)
  const unlisted = values.force ? undefined : notListed(suite, info)
  if (unlisted) {
    row('skip', `all ${suite.checks.length} checks`, unlisted)
    counts.skip += suite.checks.length - 1
    continue
  }
  for (const one of suite.checks) {
    const reason = one.inapplicable?.(relay)
    if (reason) row('skip', one.name, reason)
    else row(...(await outcome(one)))
  }
}
console.log(`\n${counts.pass} passed, ${counts.fail} failed, ${counts.skip} skipped`)
// A relay that never answers leaves promises behind: the table is complete, so the process ends.
process.exit(counts.fail > 0 ? 1 : 0)

async function outcome(one: Check): Promise<['pass' | 'fail', string, string]> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${DEADLINE_MS / 1000} s`)), DEADLINE_MS)
  })
  try {
    await Promise.race([runCheck(one, relay), late])
    return ['pass', one.name, '']
  } catch (error) {
    const [line] = (error instanceof Error ? error.message : String(error)).split('\n')
    return ['fail', one.name, line ?? '']
  } finally {
    clearTimeout(timer)
  }
}

function row(result: 'pass' | 'fail' | 'skip', name: string, why: string): void {
  counts[result] += 1
  console.log(`  ${result}  ${name}${why ? `  (${why})` : ''}`)
}
