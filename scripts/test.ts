/**
 * Runs the suites: `node --import tsx scripts/test.ts [--only TEXT] [--jobs N]`. Each file runs in a process of
 * its own; one that has no tests, leaks a handle or hangs fails. Closes with `N passed, N failed`.
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
const jobs = Number(values.jobs ?? Math.min(2, availableParallelism()))

// 1. What is light runs side by side; 2. what boots media, browsers or floods has the machine for itself.
const isHeavy = (file: string) => /^test\/(browser|faults|flows|livepeer|media)\//.test(file)
const results = [
  ...(await runAll(
    suites.filter(file => !isHeavy(file)),
    jobs,
  )),
  ...(await runAll(suites.filter(isHeavy), 1)),
]

const sum = (count: (result: FileResult) => number) =>
  results.reduce((total, result) => total + count(result), 0)
const failures = results.filter(result => result.failed > 0)
const slowest = [...results].sort((a, b) => b.seconds - a.seconds).slice(0, 5)
console.log('\nslowest:')
for (const { file, seconds } of slowest)
  console.log(`  ${seconds.toFixed(1).padStart(6)} s  ${file}`)
if (failures.length > 0) console.log('\nfailed:')
for (const { file, problem } of failures) console.log(`  ${file}${problem ? `: ${problem}` : ''}`)
const skipped = sum(result => result.skipped)
console.log(
  `${sum(r => r.passed)} passed, ${sum(r => r.failed)} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`,
)
process.exitCode = failures.length > 0 ? 1 : 0

async function runAll(files: string[], atOnce: number): Promise<FileResult[]> {
  const waiting = [...files]
  const done: FileResult[] = []
  const worker = async () => {
    for (let file = waiting.shift(); file; file = waiting.shift()) {
      const result = await runFile(file)
      report(result)
      done.push(result)
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, files.length) }, worker))
  return done
}

function report({ file, passed, failed, skipped, seconds, problem, output }: FileResult): void {
  const counts = `${passed} passed${failed ? `, ${failed} failed` : ''}${skipped ? `, ${skipped} skipped` : ''}`
  console.log(`${failed ? '✘' : '✔'} ${file}  ${counts}  ${seconds.toFixed(1)} s`)
  for (const line of output.split('\n')) if (/^\s*SKIP/.test(line)) console.log(`  ${line.trim()}`)
  if (!failed) return
  console.log(output.trimEnd().replace(/^/gm, '  | '))
  if (problem) console.log(`  ${problem}`)
}
