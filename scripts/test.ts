/**
 * Runs the suites: `node --import tsx scripts/test.ts [--only TEXT] [--jobs N]`. Each file runs in a process of
 * its own; one that has no tests, leaks a handle or hangs fails. What fails is run once more, alone. Closes with `N passed, N failed`.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { findSuites } from './test/find.ts'
import { type FileResult, runFile } from './test/run-file.ts'

const { values } = parseArgs({
  options: { only: { type: 'string', default: '' }, jobs: { type: 'string' } },
})
const suites = findSuites('test').filter(file => file.includes(values.only))
if (suites.length === 0) {
  console.error(`no test file has "${values.only}" in its name`)
  process.exit(1)
}
// Much of a test is waiting for media and clocks: two cores carry three of them.
const jobs = Number(values.jobs ?? Math.min(3, availableParallelism() + 1))

// What boots media, browsers or floods has only what is light beside it, until no more of that is left: then two at a time.
const isHeavy = (file: string) =>
  /^test\/(browser|faults|flows|media)\/|^test\/livepeer\/(story|stall)/.test(file)
const heavy = suites.filter(isHeavy)
const light = suites.filter(file => !isHeavy(file))
const results: FileResult[] = []
const others = Array.from({ length: jobs - 1 }, (_, i) => (i === 0 ? [light, heavy] : [light]))
await Promise.all([[heavy, light], ...others].map(queues => work(...queues)))

// What fails beside others is run again, alone: a failure that stays is the code's, the other is named below.
const unsteady: string[] = []
for (const [at, { file, failed }] of results.entries()) {
  if (failed === 0) continue
  const again = await runFile(file)
  report(again)
  results[at] = again
  if (again.failed === 0) unsteady.push(file)
}

const sum = (count: (result: FileResult) => number) =>
  results.reduce((total, result) => total + count(result), 0)
const failures = results.filter(result => result.failed > 0)
const slowest = [...results].sort((a, b) => b.seconds - a.seconds).slice(0, 5)
console.log('\nslowest:')
for (const { file, seconds } of slowest)
  console.log(`  ${seconds.toFixed(1).padStart(6)} s  ${file}`)
if (failures.length > 0) console.log('\nfailed:')
for (const { file, problem } of failures) console.log(`  ${file}${problem ? `: ${problem}` : ''}`)
if (unsteady.length > 0)
  console.log(
    `\npassed only when run again, alone:\n${unsteady.map(file => `  ${file}`).join('\n')}`,
  )
const skipped = sum(result => result.skipped)
console.log(
  `${sum(r => r.passed)} passed, ${sum(r => r.failed)} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`,
)
process.exitCode = failures.length > 0 ? 1 : 0

/** Takes from the first queue while it has files, then from the next. */
async function work(...queues: string[][]): Promise<void> {
  for (const queue of queues)
    for (let file = queue.shift(); file; file = queue.shift()) {
      const result = await runFile(file)
      report(result)
      results.push(result)
    }
}

function report({ file, passed, failed, skipped, seconds, problem, output }: FileResult): void {
  const counts = `${passed} passed${failed ? `, ${failed} failed` : ''}${skipped ? `, ${skipped} skipped` : ''}`
  console.log(`${failed ? '✘' : '✔'} ${file}  ${counts}  ${seconds.toFixed(1)} s`)
  for (const line of output.split('\n')) if (/^\s*SKIP/.test(line)) console.log(`  ${line.trim()}`)
  if (!failed) return
  console.log(output.trimEnd().replace(/^/gm, '  | '))
  if (problem) console.log(`  ${problem}`)
}
