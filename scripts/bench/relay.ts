/**
 * The relay beside the yardstick, step by step in turn, so that a machine's moods meet both:
 * `npm run bench [-- --rounds 3 --json FILE --quick --only ingest,fan-out --profile DIR --also strfry=ws://127.0.0.1:7777,PID]`.
 * CPU is user + system time of the whole process tree per 1,000 operations; the first round only warms up.
 */
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { benchEvents } from './relay/data.ts'
import { type Figure, fanOut, idle, ingest, query, quietPublish, type Step } from './relay/steps.ts'
import { running, type Subject, startSluice, startYardstick } from './relay/subject.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    json: { type: 'string' },
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    profile: { type: 'string' },
    also: { type: 'string', multiple: true, default: [] },
  },
})
const scale = values.quick ? 0.2 : 1
const rounds = Number(values.rounds) + 1
const count = (full: number) => Math.ceil(full * scale)

console.log(`signing events (${cpus().length} cores, Node ${process.version})`)
const events = benchEvents()
const stored = events.notes(count(10_000))
const crowd = stored.map(({ id }) => id)

/** Name, goal (ours / yardstick, CPU), and the step of one round. */
const plan: [name: string, goal: number | undefined, step: () => Step][] = [
  ['ingest notes', 1.4, () => ingest(events.notes(count(5000)), 4)],
  ['ingest chat', 1.4, () => ingest(events.chat(count(3000)), 4)],
  ['ingest 30311', 1.4, () => ingest(events.streams(count(1000)), 4)],
  ['publish -> OK, quiet', undefined, () => quietPublish(events.notes(count(300)))],
  ['by id', 1.4, () => asks(16_000, () => ({ ids: [events.pick(crowd)] }))],
  ['author + kind, 50', 1.4, () => asks(4000, () => byAuthor(events.pick(events.authors)))],
  ['#a + 1311, 100', 1.4, () => asks(3000, () => byRoom(events.pick(events.rooms)))],
  ['kind 1, 500', 1.3, () => asks(300, () => ({ kinds: [1], limit: 500 }))],
  ['30311, 500', 1.3, () => asks(300, () => ({ kinds: [30_311], limit: 500 }))],
  ['nothing found', undefined, () => asks(4000, () => byAuthor(events.pick(crowd)))],
  ['fan-out 1,000 paced', 1.1, () => fanOut(events, 1000, count(30), 100)],
  ['fan-out 1,000 burst', 2, () => fanOut(events, 1000, count(200), 0)],
  ['fan-out 5,000 paced', 1.1, () => fanOut(events, 5000, count(12), 500)],
  ['fan-out 5,000 burst', 2, () => fanOut(events, 5000, count(50), 0)],
  ['idle connection', undefined, () => idle(count(5000))],
]
const byAuthor = (author: string) => ({ authors: [author], kinds: [1], limit: 50 })
const byRoom = (room: string) => ({ '#a': [room], kinds: [1311], limit: 100 })
const asks = (times: number, filter: () => object): Step =>
  query(Array.from({ length: count(times) }, filter))

const only = values.only.split(',')
const wanted = ([name]: [name: string, ...rest: unknown[]]) =>
  only.some(part => name.includes(part.trim()))

const subjects: Subject[] = [
  await startSluice({ profileDir: values.profile }),
  await startYardstick(),
  ...values.also.map(parseSubject),
]
const figures = new Map<string, Figure[]>()
const key = (step: string, subject: Subject) => `${step}|${subject.name}`

try {
  for (const subject of subjects) {
    await ingest(stored, 4)(subject)
    await ingest(events.chat(count(5000)), 4)(subject)
    await ingest(events.streams(count(600)), 4)(subject)
  }
  for (let round = 0; round < rounds; round++)
    for (const [name, , make] of plan.filter(wanted)) {
      const step = make()
      // Who comes first changes from round to round.
      const order = round % 2 === 0 ? subjects : [...subjects].reverse()
      for (const subject of order) {
        const figure = await step(subject)
        if (round === 0) continue
        figures.set(key(name, subject), [...(figures.get(key(name, subject)) ?? []), figure])
      }
      console.error(`round ${round}/${rounds - 1}: ${name}`)
    }
} finally {
  for (const subject of subjects) await subject.stop()
}

const rows = plan.flatMap(([name, goal]) => {
  const all = subjects.map(subject => figures.get(key(name, subject)))
  if (!all[0]) return []
  const of = all.map(list => summary(list ?? []))
  const ratio = (of[0]?.cpuMsPer1k ?? 0) / (of[1]?.cpuMsPer1k || Number.NaN)
  return [{ name, goal, ratio, subjects: of }]
})
const label = subjects.map(({ name }) => name)
console.log(
  `\nCPU ms per 1,000 operations (per second; p50/p99 ms), medians of ${rounds - 1} rounds`,
)
console.log(['step', ...label, 'ratio', 'goal'].map(text => text.padEnd(24)).join(''))
for (const row of rows)
  console.log(
    [
      row.name,
      ...row.subjects.map(describe),
      Number.isFinite(row.ratio) ? row.ratio.toFixed(2) : '',
      row.goal ? `<= ${row.goal}` : '',
    ]
      .map(text => text.padEnd(24))
      .join(''),
  )
if (values.json)
  writeFileSync(
    values.json,
    JSON.stringify(
      { date: new Date().toISOString(), node: process.version, cores: cpus().length, label, rows },
      null,
      2,
    ),
  )
process.exit(0)

function summary(list: Figure[]) {
  const of = (value: (figure: Figure) => number | undefined) =>
    median(list.flatMap(figure => value(figure) ?? []))
  return {
    cpuMsPer1k: of(({ cpuMs, ops }) => (cpuMs / ops) * 1000),
    perSecond: of(({ wallMs, ops }) => (ops / wallMs) * 1000),
    p50: of(({ p50 }) => p50),
    p99: of(({ p99 }) => p99),
    kbEach: of(({ kbEach }) => kbEach),
  }
}

function describe({ cpuMsPer1k, perSecond, p50, p99, kbEach }: ReturnType<typeof summary>): string {
  if (kbEach !== undefined) return `${kbEach.toFixed(1)} KB each`
  const times = p50 === undefined ? '' : ` ${p50.toFixed(1)}/${p99?.toFixed(1)}`
  return `${cpuMsPer1k?.toFixed(cpuMsPer1k < 20 ? 2 : 0)} (${perSecond?.toFixed(0)})${times}`
}

function median(list: number[]): number | undefined {
  const sorted = [...list].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}

function parseSubject(text: string): Subject {
  const [, name, url, pid] = /^(\w+)=(wss?:\/\/[^,]+),(\d+)$/.exec(text) ?? []
  if (!name || !url) throw new Error('--also needs name=ws://host:port,PID')
  return running(name, url, Number(pid))
}
