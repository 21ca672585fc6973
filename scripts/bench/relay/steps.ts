import { setTimeout as sleep } from 'node:timers/promises'
import type { NostrEvent } from '../../../events/index.ts'
import type { BenchEvents } from './data.ts'
import type { Subject } from './subject.ts'
import { Wire } from './wire.ts'

/** What one step cost a relay; times in ms. */
export interface Figure {
  readonly ops: number
  readonly cpuMs: number
  readonly wallMs: number
  readonly p50?: number
  readonly p99?: number
  readonly kbEach?: number
}

export type Step = (subject: Subject) => Promise<Figure>

const IN_FLIGHT = 200
const SETTLE_MS = 250
const DEADLINE_MS = 120_000

/** Publishes the events over `connections`, a window of them in flight on each. */
export const ingest =
  (events: readonly NostrEvent[], connections: number): Step =>
  subject =>
    measure(subject, events.length, async () => {
      const wires = await Wire.openMany(subject.url, connections)
      const messages = events.map(event => `["EVENT",${JSON.stringify(event)}]`)
      let next = 0
      let answered = 0
      const began = performance.now()
      await inTime('ingest', resolve => {
        for (const wire of wires) {
          const send = () => {
            const message = messages[next++]
            if (message) wire.send(message)
          }
          wire.onText = bytes => {
            if (bytes[2] !== LETTER.O) return
            if (!bytes.includes(',true', 70)) throw new Error(`refused: ${bytes}`)
            answered += 1
            if (answered === messages.length) resolve()
            else send()
          }
          for (let i = 0; i < IN_FLIGHT; i++) send()
        }
      })
      const wallMs = performance.now() - began
      for (const wire of wires) wire.close()
      return { wallMs }
    })

/** Publish -> OK with one event in flight and a pause between events. */
export const quietPublish =
  (events: readonly NostrEvent[]): Step =>
  subject =>
    measure(subject, events.length, async () => {
      const wire = await Wire.open(subject.url)
      const times: number[] = []
      for (const event of events) {
        await sleep(3)
        const began = performance.now()
        await inTime('publish', resolve => {
          wire.onText = bytes => {
            if (bytes[2] === LETTER.O) resolve()
          }
          wire.send(`["EVENT",${JSON.stringify(event)}]`)
        })
        times.push(performance.now() - began)
      }
      wire.close()
      return percentiles(times)
    })

/** Sends the filters as REQs over four connections, four in flight on each, and closes each after EOSE. */
export const query =
  (filters: readonly object[]): Step =>
  subject =>
    measure(subject, filters.length, async () => {
      const wires = await Wire.openMany(subject.url, 4)
      let next = 0
      let ended = 0
      const began = performance.now()
      await inTime('query', resolve => {
        for (const wire of wires) {
          const ask = () => {
            const filter = filters[next]
            if (filter) wire.send(`["REQ","q${next++}",${JSON.stringify(filter)}]`)
          }
          wire.onText = bytes => {
            if (bytes[2] !== LETTER.E || bytes[3] !== LETTER.O) return
            const id = bytes.toString('latin1', 8).split('"')[1]
            wire.send(`["CLOSE","${id}"]`)
            ended += 1
            if (ended === filters.length) resolve()
            else ask()
          }
          for (let i = 0; i < 4; i++) ask()
        }
      })
      const wallMs = performance.now() - began
      for (const wire of wires) wire.close()
      return { wallMs }
    })

/** One chat room with `audience` subscribers; `gapMs` between messages, or 50 in flight. An operation is a delivery. */
export const fanOut =
  (events: BenchEvents, audience: number, messages: number, gapMs: number): Step =>
  async subject => {
    const room = `30311:${events.authors[0]}:fan-${audience}-${subject.name}-${performance.now()}`
    const wires = await Wire.openMany(subject.url, audience)
    const publisher = await Wire.open(subject.url)
    let ready = 0
    await inTime('subscribe', resolve => {
      for (const wire of wires) {
        wire.onText = bytes => {
          if (bytes[2] === LETTER.E && bytes[3] === LETTER.O && ++ready === audience) resolve()
        }
        wire.send(`["REQ","chat",{"kinds":[1311],"#a":["${room}"],"limit":100}]`)
      }
    })
    await sleep(SETTLE_MS)
    const talk = events.talk(room, messages).map(event => `["EVENT",${JSON.stringify(event)}]`)
    const figure = await measure(subject, audience * messages, async () => {
      const sent: number[] = []
      const times: number[] = []
      let delivered = 0
      let next = 0
      const began = performance.now()
      const send = () => {
        const message = talk[next++]
        if (!message) return
        sent.push(performance.now())
        publisher.send(message)
      }
      await inTime('fan-out', resolve => {
        const every = Math.max(1, Math.floor(audience / 100))
        for (const [i, wire] of wires.entries())
          wire.onText = bytes => {
            if (bytes[3] !== LETTER.V) return
            if (i % every === 0) {
              const at = bytes.indexOf('message #')
              const number = Number(bytes.toString('latin1', at + 9, at + 15))
              times.push(performance.now() - (sent[number] ?? 0))
            }
            delivered += 1
            if (delivered === audience * messages) resolve()
          }
        publisher.onText = bytes => {
          if (bytes[2] === LETTER.O && gapMs === 0) send()
        }
        if (gapMs === 0) for (let i = 0; i < 50; i++) send()
        else {
          const timer = setInterval(
            () => (next < talk.length ? send() : clearInterval(timer)),
            gapMs,
          )
        }
      })
      return { wallMs: performance.now() - began, ...percentiles(times) }
    })
    for (const wire of [...wires, publisher]) wire.close()
    await sleep(1000)
    return figure
  }

/** What a connection that does nothing holds in memory. */
export const idle =
  (connections: number): Step =>
  async subject => {
    const before = subject.usage()
    const began = performance.now()
    const wires = await Wire.openMany(subject.url, connections)
    const wallMs = performance.now() - began
    await sleep(1500)
    const after = subject.usage()
    for (const wire of wires) wire.close()
    await sleep(1000)
    return {
      ops: connections,
      wallMs,
      cpuMs: after.cpuMs - before.cpuMs,
      kbEach: (after.residentKb - before.residentKb) / connections,
    }
  }

/** The bytes that tell the relay's messages apart: ["OK", ["EOSE", ["EVENT". */
const LETTER = { O: 0x4f, E: 0x45, V: 0x56 }

async function measure(
  subject: Subject,
  ops: number,
  run: () => Promise<{ wallMs?: number; p50?: number; p99?: number }>,
): Promise<Figure> {
  const before = subject.usage().cpuMs
  const began = performance.now()
  const { wallMs = performance.now() - began, ...rest } = await run()
  // What the relay does after its last answer (checkpoints, jobs) is part of the price.
  await sleep(SETTLE_MS)
  return { ops, wallMs, cpuMs: subject.usage().cpuMs - before, ...rest }
}

function inTime(what: string, run: (resolve: () => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`${what}: no end after ${DEADLINE_MS / 1000} s`)),
      DEADLINE_MS,
    )
    run(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}

function percentiles(times: number[]): { p50: number; p99: number } {
  const sorted = Float64Array.from(times).sort()
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
  return { p50: at(0.5) ?? 0, p99: at(0.99) ?? 0 }
}
