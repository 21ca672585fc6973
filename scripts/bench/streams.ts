/**
 * Many local streams at once, in passthrough: `npm run bench:streams` (which runs livepeer.ts first), or this file with
 * [STREAMS] [VIEWERS] [SECONDS]. Publishers replay what one real encoder sent; viewers poll HLS as players do. Prints what
 * the relay and its engines cost, and how late segments came.
 */
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type HostGrant, Person, uris } from '../../test/flows/independent.ts'
import { spawnRelay } from '../../test/harness.ts'
import { hostGrant, say } from '../../test/livepeer/relay.ts'
import { recordTags } from '../../test/media/local.ts'
import { client } from '../../test/media/rtmp-client.ts'
import { cpuSeconds, residentMb } from './process.ts'

const [STREAMS = 20, VIEWERS = 10, SECONDS = 60] = process.argv.slice(2).map(Number)
const POLL_MS = 1000
/** A player holds three segments of two seconds: one that comes so long after its end is late. */
const LATE_MS = 3000

const db = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
const set = [
  `db=${db}`,
  'liveStream.local.transcode=false',
  `liveStream.maxStreamsPerHost=${STREAMS}`,
  'relay.realIpHeader=x-forwarded-for',
]
const relay = await spawnRelay(set.flatMap(one => ['--set', one]))
const host = await Person.connect(relay.url)
let over = false
try {
  // 1. What an encoder sends, ten seconds of it, to be sent again and again.
  const tags = (await recordTags(10)).filter(({ type }) => type !== 18)
  const lengthMs = Math.max(...tags.map(one => one.timestamp)) + 33
  const bytes = tags.reduce((sum, { data }) => sum + data.length, 0)

  // 2. The streams.
  const grants: HostGrant[] = []
  for (let i = 0; i < STREAMS; i++)
    grants.push(await hostGrant(host, await say(host, `show-${i}`, 'planned')))
  // One after the other: an engine costs more to start than to run.
  const publishing: Promise<void>[] = []
  for (const grant of grants) {
    publishing.push(publish(grant))
    await untilLive(grant.playbackUrl)
  }
  const kbps = Math.round((bytes * 8) / lengthMs)
  console.log(`${STREAMS} streams of ${kbps} kbit/s are live, ${VIEWERS} viewers each`)

  // 3. The viewers, and what it costs meanwhile.
  const delays: number[] = []
  let failed = 0
  const viewers = grants.flatMap((grant, stream) =>
    Array.from({ length: VIEWERS }, (_, i) => view(grant.playbackUrl, `10.${stream}.0.${i + 1}`)),
  )
  await sleep(3000)
  delays.length = 0
  const before = costs()
  const began = performance.now()
  await sleep(SECONDS * 1000)
  const seconds = (performance.now() - began) / 1000
  const after = costs()
  over = true
  await Promise.all([...viewers, ...publishing])
  delays.sort((a, b) => a - b)
  const at = (share: number) => Math.round(delays[Math.ceil(delays.length * share) - 1] ?? 0)
  const late = delays.filter(ms => ms > LATE_MS).length
  const per = (what: number) => (what / seconds).toFixed(2)
  console.log(`relay: ${per(after.relay - before.relay)} CPU s a second, ${after.relayMb} MB`)
  console.log(
    `engines: ${per(after.engines - before.engines)} CPU s a second, ${after.enginesMb} MB`,
  )
  console.log(
    `segments: ${delays.length} fetched, ${late} late, ${failed} failed; end of segment -> fetched p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`,
  )

  async function publish({ ingest }: HostGrant): Promise<void> {
    const { server, key } = ingest.rtmp
    const one = await client(Number(new URL(server).port))
    await one.shake()
    one.publish(key)
    await one.hears('NetStream.Publish.Start')
    const start = performance.now()
    for (let round = 0, next = 0; !over; ) {
      const elapsed = performance.now() - start
      for (; ; next++) {
        const tag = tags[next % tags.length]
        round = Math.floor(next / tags.length) * lengthMs
        if (!tag || tag.timestamp + round > elapsed) break
        one.media(tag.type as 8 | 9, tag.timestamp + round, tag.data)
      }
      await sleep(20)
    }
    one.socket.destroy()
  }

  async function view(master: string, ip: string): Promise<void> {
    const headers = { 'x-forwarded-for': ip }
    const seen = new Set<string>()
    const get = (url: string) => fetch(url, { headers })
    const [media = ''] = uris(await (await get(master)).text(), master)
    await sleep(Math.random() * POLL_MS)
    while (!over) {
      const asked = performance.now()
      for (const { url, endMs } of segments(await (await get(media)).text(), media)) {
        if (seen.has(url)) continue
        // What was there before this viewer came is none of the live edge.
        const first = seen.size === 0
        seen.add(url)
        if (first || endMs < Date.now() - 10_000) continue
        const response = await get(url)
        await response.arrayBuffer()
        if (response.ok) delays.push(Date.now() - endMs)
        else failed += 1
      }
      await sleep(Math.max(0, POLL_MS - (performance.now() - asked)))
    }
  }
} finally {
  over = true
  host.close()
  await relay.stop()
  await rm(db, { recursive: true, force: true })
}

async function untilLive(url: string): Promise<void> {
  for (let i = 0; i < 300; i++) {
    if ((await fetch(url)).ok) return
    await sleep(200)
  }
  throw new Error('a stream did not become live within a minute')
}

/** Segments of a playlist with the wall-clock time at which each ends, unix ms. */
function segments(playlist: string, base: string): { url: string; endMs: number }[] {
  const found = []
  let atMs = 0
  let lengthMs = 0
  for (const line of playlist.split('\n')) {
    const [, time] = /^#EXT-X-PROGRAM-DATE-TIME:(.+)/.exec(line) ?? []
    const [, seconds] = /^#EXTINF:([\d.]+)/.exec(line) ?? []
    if (time) atMs = Date.parse(time)
    if (seconds) lengthMs = Number(seconds) * 1000
    if (line === '' || line.startsWith('#')) continue
    atMs += lengthMs
    found.push({ url: new URL(line, base).href, endMs: atMs })
  }
  return found
}

/** Linux: CPU seconds and memory of the relay and of the engines that it runs. */
function costs() {
  const pid = relay.child.pid ?? 0
  const children = execFileSync('ps', ['--ppid', String(pid), '-o', 'pid='], { encoding: 'utf8' })
    .split('\n')
    .filter(line => line.trim() !== '')
    .map(Number)
  const sum = (of: (pid: number) => number) => children.reduce((total, one) => total + of(one), 0)
  return {
    relay: cpuSeconds(pid),
    relayMb: residentMb(pid),
    engines: sum(cpuSeconds),
    enginesMb: sum(residentMb),
  }
}
