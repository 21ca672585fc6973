/**
 * A real relay with all default plugins under a mixed load for an hour: does it keep its size?
 * `npm run soak -- --minutes 60 [--rate 40] [--json]`. A line a minute, and at the end the slope of its memory over the
 * second half, by least squares. Exit code 1 where the relay died or, after half an hour and more, grows too fast.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startSluice } from './bench/relay/subject.ts'
import { slopeOf } from './soak/least-squares.ts'
import { startLoad } from './soak/load.ts'

const GOAL_MB_PER_MINUTE = 1
/** Caches fill in the first minutes: a shorter run says nothing of leaks. */
const MINUTES_THAT_TELL = 30
const SAMPLE_MS = 5000

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    rate: { type: 'string', default: '40' },
    json: { type: 'boolean', default: false },
  },
})
const [minutes, rate] = [Number(values.minutes), Number(values.rate)]
if (!(minutes > 0) || !(rate > 0)) throw new Error('--minutes and --rate need numbers above 0')
const say = (text: string) => (values.json ? undefined : console.log(text))

interface Minute {
  readonly minute: number
  readonly rssMb: number
  /** What is not a file's: heap and buffers. */
  readonly anonymousMb: number
  readonly eventsPerSecond: number
  readonly deliveredPerSecond: number
  readonly loopLagP99Ms: number
}

// 1. The relay and its load.
const relay = await startSluice()
const load = await startLoad(relay.url, rate)
const { tally } = load
say(`relay ${relay.pid} at ${relay.url}, ${rate} events a second for ${minutes} minutes`)

// 2. Samples of its memory, and a line each minute.
const began = performance.now()
const samples: { minute: number; rssMb: number; anonymousMb: number }[] = []
const lines: Minute[] = []
let died = false
for (let before = { ...tally, at: began }; !died; ) {
  await sleep(SAMPLE_MS)
  const at = performance.now()
  const minute = (at - began) / 60_000
  const memory = memoryOf(relay.pid)
  if (!memory) died = true
  else samples.push({ minute, ...memory })
  const seconds = (at - before.at) / 1000
  if (memory && (seconds >= 60 || minute >= minutes)) {
    const line: Minute = {
      minute: Math.round(minute),
      ...memory,
      eventsPerSecond: round((tally.accepted - before.accepted) / seconds),
      deliveredPerSecond: round((tally.delivered - before.delivered) / seconds),
      loopLagP99Ms: await loopLag(),
    }
    lines.push(line)
    before = { ...tally, at }
    say(
      `minute ${String(line.minute).padStart(3)}  RSS ${memory.rssMb.toFixed(1)} MB (anonymous ${memory.anonymousMb.toFixed(1)})` +
        `  ${line.eventsPerSecond} events/s  ${line.deliveredPerSecond} delivered/s  loop lag p99 ${line.loopLagP99Ms} ms`,
    )
  }
  if (minute >= minutes) break
}

// 3. The verdict.
load.stop()
await relay.stop()
const secondHalf = samples.filter(sample => sample.minute >= minutes / 2)
const slope = (pick: 'rssMb' | 'anonymousMb') =>
  round(slopeOf(secondHalf.map(sample => [sample.minute, sample[pick]])), 3)
const verdict = {
  minutes,
  rate,
  died,
  rssSlopeMbPerMinute: slope('rssMb'),
  anonymousSlopeMbPerMinute: slope('anonymousMb'),
  goalMbPerMinute: GOAL_MB_PER_MINUTE,
  accepted: tally.accepted,
  delivered: tally.delivered,
  answers: tally.answers,
  connections: tally.connections,
  refused: Object.fromEntries(tally.refused),
}
if (values.json) console.log(JSON.stringify({ ...verdict, lines }, null, 2))
say(
  `${died ? 'THE RELAY DIED. ' : ''}RSS over the second half: ${verdict.rssSlopeMbPerMinute} MB a minute ` +
    `(anonymous ${verdict.anonymousSlopeMbPerMinute}), goal below ${GOAL_MB_PER_MINUTE}` +
    (minutes < MINUTES_THAT_TELL ? `; ${minutes} minutes are too short to tell` : ''),
)
say(
  `${tally.accepted} events accepted, ${tally.delivered} delivered, ${tally.connections} connections, refused: ` +
    JSON.stringify(verdict.refused),
)
const grows = minutes >= MINUTES_THAT_TELL && verdict.rssSlopeMbPerMinute >= GOAL_MB_PER_MINUTE
process.exit(died || grows ? 1 : 0)

/** Linux: what a process holds; undefined once it is gone. */
function memoryOf(pid: number): { rssMb: number; anonymousMb: number } | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const mb = (name: string) =>
      Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]) / 1024
    const rssMb = mb('VmRSS')
    return Number.isNaN(rssMb) ? undefined : { rssMb, anonymousMb: mb('RssAnon') }
  } catch {
    return undefined
  }
}

/** The 99th percentile since it was last asked, ms. */
async function loopLag(): Promise<number> {
  const metrics = await (await fetch(`${relay.url.replace(/^ws/, 'http')}/metrics`)).text()
  const seconds = /^nodejs_eventloop_lag_p99_seconds (\S+)/m.exec(metrics)?.[1]
  return round(Number(seconds) * 1000)
}

function round(value: number, digits = 1): number {
  return Number(value.toFixed(digits))
}
