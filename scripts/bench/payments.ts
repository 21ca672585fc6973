/**
 * Figures of payments: `npm run bench:payments -- [--seconds N] [--sessions N] [--only websocket,ilp,connector,grant]
 * [--json FILE] [--profile DIR]`. The built relay is a process of its own; what is timed is 5612 -> durable 5613, by WebSocket,
 * by ILP-over-HTTP and through the npm connector, and 5610 -> first grant. `cpu` is what the relay used for 1,000 of them, user
 * and system time: on a busy machine the one figure to trust.
 */
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { announce, Person } from '../../test/flows/independent.ts'
import { ADDRESS, HUB_TOKEN, ilpSettings } from '../../test/payments/ilp.ts'
import { SENDER_TOKEN, startConnector } from '../../test/payments/ilp-processes.ts'
import { atRate, type Figure, figure, flatOut, type Pay } from './payments/load.ts'
import { hangUp, overIlp } from './payments/packets.ts'
import { firstGrant, overWebSocket } from './payments/websocket.ts'
import { startSluice } from './relay/subject.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '8' },
    sessions: { type: 'string', default: '1000' },
    only: { type: 'string', default: '' },
    json: { type: 'string' },
    profile: { type: 'string' },
  },
})
const seconds = Number(values.seconds)
const sessions = Number(values.sessions)
const GRANTS = 300
const OPEN_ABREAST = 20

/** The goal that a figure is held against. */
type Goal = { perSecond?: number; p99?: number }
const figures: (Figure & { cpuMs: number; goal?: Goal })[] = []

/** Runs it, prints it, and keeps it with its goal. */
async function show(run: () => Promise<Figure>, goal?: Goal): Promise<Figure> {
  const before = relay.usage().cpuMs
  const one = await run()
  const cpuMs = ((relay.usage().cpuMs - before) * 1000) / one.payments
  figures.push({ ...one, cpuMs, goal })
  const wanted = [
    ...(goal?.perSecond ? [`${goal.perSecond}/s`] : []),
    ...(goal?.p99 ? [`p99 ${goal.p99} ms`] : []),
  ]
  const ms = (value: number) => value.toFixed(2).padStart(7)
  console.log(
    `${one.name.padEnd(42)} ${one.perSecond.toFixed(0).padStart(5)}/s  p50 ${ms(one.p50)} ms  p99 ${ms(one.p99)} ms  ` +
      `cpu ${cpuMs.toFixed(0).padStart(4)} ms  n ${one.payments}${wanted.length > 0 ? `  goal ${wanted.join(', ')}` : ''}`,
  )
  return one
}

/** Is that part of the run asked for? */
const wanted = (part: string): boolean =>
  values.only === '' || values.only.split(',').includes(part)

/** The relay, with a stream in CREDIT and one in USD. */
const relay = await startSluice({
  profileDir: values.profile,
  settings: [
    'paymentStream.credit.welcome=1000000',
    'paymentStream.credit.welcomeCap=9000000000000',
    'paymentStream.maxPaymentsPerSecond=0',
    ...ilpSettings,
  ],
  prepare: dir => writeFileSync(join(dir, 'ilp.peers'), `hub ${HUB_TOKEN}\n`, { mode: 0o600 }),
})
const http = relay.url.replace('ws', 'http')
try {
  const info = await fetch(http, { headers: { accept: 'application/nostr+json' } })
  const { self } = (await info.json()) as { self: string }
  const host = await Person.connect(relay.url)
  const credit = (await announce(host, 'credit', ['1000', 'second', 'CREDIT'])).address
  const usd = (await announce(host, 'usd', ['1000', 'second', 'USD'])).address
  host.close()
  const direct = { url: `${http}/ilp`, token: HUB_TOKEN, destination: ADDRESS }

  if (wanted('websocket')) {
    const lines = await several(sessions, () => overWebSocket(relay.url, self, credit))
    await measure(
      'WebSocket',
      lines.map(({ pay }) => pay),
    )
    for (const { close } of lines) close()
  }

  if (wanted('ilp')) {
    const packets = await several(sessions, () => overIlp(direct, self, usd))
    await measure(
      'ILP-over-HTTP',
      packets.map(({ pay }) => pay),
    )
  }

  if (wanted('connector')) {
    const connector = await startConnector({ plugin: 'ilp-plugin-http', url: direct.url })
    const via = { ...direct, url: connector.url, token: SENDER_TOKEN }
    const { pay } = await patient(() => overIlp(via, self, usd))
    await flatOut('', [pay], 1)
    await show(() => flatOut('npm connector, one session', [pay], seconds), { p99: 100 })
    await connector.stop()
  }

  if (wanted('grant'))
    await show(
      async () => {
        const times: number[] = []
        const began = performance.now()
        for (let i = 0; i < GRANTS; i++) times.push(await firstGrant(relay.url, self, credit))
        return figure('5610 -> first grant (5650)', times, performance.now() - began)
      },
      { p99: 50 },
    )
} finally {
  hangUp()
  await relay.stop()
}
const cpu = cpus()
const machine = `${cpu.length} x ${cpu[0]?.model ?? 'unknown'}, Node ${process.version}`
console.log(machine)
if (values.json) writeFileSync(values.json, JSON.stringify({ machine, figures }, null, 2))

async function measure(way: string, lanes: readonly Pay[]): Promise<void> {
  await flatOut('', lanes, Math.min(seconds, 3))
  await quiet()
  await show(() => flatOut(`${way}, one session`, lanes.slice(0, 1), seconds), { perSecond: 500 })
  const crowd = `${way}, ${lanes.length} sessions`
  const most = await show(() => flatOut(`${crowd}, flat out`, lanes, seconds), { perSecond: 2000 })
  const half = Math.round(most.perSecond / 2)
  await show(() => atRate(`${crowd}, half load`, lanes, half, seconds), { p99: 15 })
}

/** Until the relay has done what follows from the payments so far: each session's first one brought a grant. */
async function quiet(): Promise<void> {
  for (let tries = 0; tries < 60; tries++) {
    const before = relay.usage().cpuMs
    await sleep(500)
    if (relay.usage().cpuMs - before < 25) return
  }
}

/** `count` of them, a few at a time. */
async function several<T>(count: number, make: () => Promise<T>): Promise<T[]> {
  const made: T[] = []
  while (made.length < count) {
    const group = Math.min(OPEN_ABREAST, count - made.length)
    made.push(...(await Promise.all(Array.from({ length: group }, make))))
  }
  return made
}

/** The connector may still be finding its routes. */
async function patient<T>(make: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await make()
    } catch (error) {
      if (tries > 40) throw error
      await sleep(250)
    }
  }
}
