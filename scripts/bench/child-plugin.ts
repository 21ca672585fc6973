/**
 * `npm run bench:child-plugin`: what a plugin program costs, and what a broken one costs the others.
 *
 * 1. Time per event of the same script: asked as strfry asks (one at a time, blocking; by a loop in Python), the same in a
 *    session of its own (as our runner starts programs, to kill them with all they started: on a busy machine Linux
 *    schedules sessions apart, which costs time), by our runner, and by our runner pipelined.
 *    Where STRFRY_BIN names a strfry, also the CPU that the script costs in that relay and in ours.
 * 2. p99 of events that the program is not asked about, and of REQs, while it misbehaves; healthy and broken in turns.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { PolicyContext } from '../../plugins/plugin.ts'
import { newRequest } from '../../plugins/strfry.ts'
import { createRunner } from '../../relay/child-plugin/runner.ts'
import { connect, person, spawnRelay } from '../../test/harness.ts'
import { freePorts, spawnStrfry } from '../../test/strfry/harness.ts'
import { cpuSeconds } from './process.ts'

const EVENTS = Number(process.env.SLUICE_BENCH_EVENTS ?? 2000)
const ROUNDS = 5
const SECONDS = Number(process.env.SLUICE_BENCH_SECONDS ?? 4)
const fixture = (name: string) =>
  fileURLToPath(new URL(`../../test/child-plugin/fixtures/${name}`, import.meta.url))
const log = { debug() {}, info() {}, warn() {}, error() {} }
const { sign } = person()
const events = Array.from({ length: EVENTS }, (_, i) => sign({ kind: 1, content: `note ${i}` }))
const ctx: PolicyContext = {
  source: { type: 'IP4', info: '127.0.0.1' },
  authed: [],
  receivedAt: Math.floor(Date.now() / 1000),
  signal: new AbortController().signal,
}
const requests = events.map(event => ({
  id: event.id,
  line: `${JSON.stringify(newRequest(event, ctx))}\n`,
}))

console.log(`time per event, us (${EVENTS} events, best of ${ROUNDS})`)
console.log('  script      strfry   in a session   our runner   pipelined   against both')
for (const file of ['echo.sh', 'words.py', 'words.js']) {
  const [strfry = 0, session = 0, runner = 0, pipelined = 0] = await best(
    () => asStrfry(fixture(file), false),
    () => asStrfry(fixture(file), true),
    () => byRunner(fixture(file), false),
    () => byRunner(fixture(file), true),
  )
  const cells = [strfry, session, runner, pipelined].map(us => us.toFixed(0).padStart(10))
  const against = `${(runner / strfry).toFixed(2)}x, ${(runner / session).toFixed(2)}x`
  console.log(`  ${file.padEnd(9)}${cells.join(' ')}      ${against}`)
}

const bin = process.env.STRFRY_BIN
if (bin) {
  console.log(
    `\nCPU that the script adds to an event, its own included, us (${EVENTS} events, best of ${ROUNDS})`,
  )
  console.log('  script      real strfry   our relay   ratio')
  const inTurn = (command: string) =>
    best(
      () => inStrfry(bin, command),
      () => inOurs(command),
    )
  const [strfryAlone = 0, oursAlone = 0] = await inTurn('')
  for (const file of ['echo.sh', 'words.py', 'words.js']) {
    const [strfry = 0, ours = 0] = await inTurn(fixture(file))
    const [theirs, mine] = [strfry - strfryAlone, ours - oursAlone]
    const cells = [theirs, mine].map(us => us.toFixed(0).padStart(12))
    console.log(`  ${file.padEnd(9)}${cells.join(' ')}   ${(mine / theirs).toFixed(2)}x`)
  }
}

console.log(`\nother traffic while a plugin program misbehaves, ms (best of 2, ${SECONDS} s each)`)
console.log('                      EVENT p99             REQ p99')
console.log('  program          healthy  broken     healthy  broken')
const broken = ['hang.sh', 'ignore-term.sh', 'garbage.sh', 'wrong-id.sh', 'long-line.sh', 'exit.sh']
for (const file of broken) {
  const rounds = [
    await traffic('echo.sh'),
    await traffic(file),
    await traffic('echo.sh'),
    await traffic(file),
  ]
  const least = (i: number, of: 'event' | 'req') =>
    Math.min(rounds[i]?.[of] ?? 0, rounds[i + 2]?.[of] ?? 0)
  const cells = (of: 'event' | 'req') => {
    const [well, ill] = [least(0, of), least(1, of)]
    return `${well.toFixed(2).padStart(8)}${ill.toFixed(2).padStart(8)}  ${(ill / well).toFixed(2)}x`
  }
  console.log(`  ${file.padEnd(15)}${cells('event')}  ${cells('req')}`)
}

/** The best round for each; taking turns, so that a busy machine is busy for all. */
async function best(...ways: (() => Promise<number>)[]): Promise<number[]> {
  const figures = ways.map(() => Number.POSITIVE_INFINITY)
  for (let round = 0; round < ROUNDS; round++)
    for (const [i, way] of ways.entries()) figures[i] = Math.min(figures[i] ?? 0, await way())
  return figures
}

/** strfry writes, and blocks until it has read a line; so does this. */
async function asStrfry(command: string, session: boolean): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  const lines = join(dir, 'requests')
  await writeFile(lines, requests.map(({ line }) => line).join(''))
  const script = `
import subprocess, sys, time
requests = open(sys.argv[1], "rb").read().splitlines(keepends=True)
plugin = subprocess.Popen([sys.argv[2]], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    start_new_session=${session ? 'True' : 'False'})
def ask(line):
    plugin.stdin.write(line)
    plugin.stdin.flush()
    plugin.stdout.readline()
ask(requests[0])
began = time.perf_counter()
for line in requests: ask(line)
print((time.perf_counter() - began) * 1e6 / len(requests))
plugin.terminate()
`
  const { stdout, stderr } = spawnSync('python3', ['-c', script, lines, command], {
    encoding: 'utf8',
  })
  await rm(dir, { recursive: true })
  if (!(Number(stdout) > 0)) throw new Error(`python3 did not measure: ${stderr}`)
  return Number(stdout)
}

async function byRunner(command: string, pipeline: boolean): Promise<number> {
  const runner = createRunner({ command, env: [], timeoutMs: 10_000, pipeline, log })
  const first = requests[0]
  if (first) await runner.ask(first.id, first.line)
  const began = performance.now()
  await Promise.all(requests.slice(0, EVENTS).map(({ id, line }) => runner.ask(id, line)))
  const us = perEvent(began)
  await runner.close()
  return us
}

/** CPU of a relay and all it started, by event of a client that waits for each OK, us. */
async function cpuPerEvent(url: string, pid: number): Promise<number> {
  const client = await connect(url)
  const text = () => `${Math.random()}`
  const fresh = Array.from({ length: EVENTS }, () => sign({ kind: 1, content: text() }))
  // Compilers and caches are warm, and the program is started.
  for (let i = 0; i < 300; i++) await client.publish(sign({ kind: 1, content: text() }))
  const before = cpuOfTree(pid)
  for (const event of fresh) await client.publish(event)
  const us = ((cpuOfTree(pid) - before) * 1e6) / EVENTS
  client.close()
  return us
}

/** Linux: of a process and those that any of its threads started, seconds. */
function cpuOfTree(pid: number): number {
  const started = readdirSync(`/proc/${pid}/task`).flatMap(task =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean),
  )
  return cpuSeconds(pid) + started.reduce((sum, child) => sum + cpuOfTree(Number(child)), 0)
}

async function inStrfry(bin: string, command: string): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  const [port = 0] = await freePorts(1)
  const strfry = await spawnStrfry({ bin, dir, db: join(dir, 'db'), port, command })
  const us = await cpuPerEvent(strfry.url, strfry.pid)
  await strfry.stop()
  await rm(dir, { recursive: true })
  return us
}

async function inOurs(command: string): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  const set = [`db=${dir}`, 'logLevel=error', 'plugins=[]', `relay.writePolicy.plugin=${command}`]
  const relay = await spawnRelay(set.flatMap(one => ['--set', one]))
  const us = await cpuPerEvent(relay.url, relay.child.pid ?? 0)
  await relay.stop()
  await rm(dir, { recursive: true })
  return us
}

function perEvent(began: number): number {
  return ((performance.now() - began) * 1000) / EVENTS
}

/** Events of kind 7 and REQs, one after the other, while five events a second go to the program. */
async function traffic(file: string) {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  const block = file.replace('.sh', '').replace(/-(.)/g, (_, letter) => letter.toUpperCase())
  const relay = await spawnRelay(
    [
      `db=${dir}`,
      'logLevel=error',
      `plugins=["exec:${fixture(file)}"]`,
      `${block}.kinds=[1]`,
      `${block}.timeoutSeconds=1`,
    ].flatMap(one => ['--set', one]),
  )
  const [client, victim] = [await connect(relay.url), await connect(relay.url)]
  const bother = setInterval(
    () => victim.send(['EVENT', sign({ kind: 1, content: `${Math.random()}` })]),
    200,
  )
  const writes: number[] = []
  const reads: number[] = []
  const warm = performance.now() + 1000
  for (let i = 0; performance.now() < warm + SECONDS * 1000; i++) {
    const event = sign({ kind: 7, content: `${i}` })
    const began = performance.now()
    await client.publish(event)
    const written = performance.now()
    await client.req('r', { ids: [event.id] })
    if (began < warm) continue
    writes.push(written - began)
    reads.push(performance.now() - written)
  }
  clearInterval(bother)
  client.close()
  victim.close()
  await relay.stop()
  await rm(dir, { recursive: true })
  return { event: p99(writes), req: p99(reads) }
}

function p99(values: number[]): number {
  const sorted = values.sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length * 0.99)] ?? 0
}
