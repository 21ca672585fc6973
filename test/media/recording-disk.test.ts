/** Recordings on a disk that fills up: nothing that was recorded is lost, and it can be watched once there is room. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Backend, recordTags, replay, start, text } from './local.ts'

const DISK_MB = 4
const dir = mkdtempSync(join(tmpdir(), 'sluice-recording-full-'))
const ballast = join(dir, 'ballast')
const tags = await recordTags(3)

function mounted(): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'tmpfs', dir], {
      stdio: 'ignore',
    })
    return true
  } catch {
    console.log('SKIP recordings on a full disk: a small tmpfs cannot be mounted (needs root)')
    return false
  }
}

/** Takes the disk's last byte. */
function fill(): void {
  for (let room = DISK_MB << 20; room >= 1; room >>= 1)
    try {
      writeFileSync(ballast, Buffer.alloc(room), { flag: 'a' })
    } catch (error) {
      assert.is((error as NodeJS.ErrnoException).code, 'ENOSPC')
    }
}

const settings = {
  record: true,
  recordDir: join(dir, 'rec'),
  recordKeepFreeMb: 0,
  transcode: false,
}
const secondsOf = async (backend: Backend, url = '') => {
  const name = /(rec\d{13})\/index\.m3u8$/.exec(url)?.[1]
  const playlist = await text(backend, `${name}/index.m3u8`)
  return [...playlist.matchAll(/#EXTINF:([\d.]+)/g)].reduce((sum, one) => sum + Number(one[1]), 0)
}
async function broadcast({ backend, events, until }: Awaited<ReturnType<typeof start>>) {
  const before = events.length
  await replay(backend, tags, () => until('live', before))
  await until('idle', before)
}

/** Seconds that the indexes of all recordings name: what is on disk. */
function secondsOnDisk(): number {
  const files = readdirSync(settings.recordDir, { recursive: true, encoding: 'utf8' })
  const lines = files
    .filter(name => name.endsWith('index.jsonl'))
    .flatMap(name => readFileSync(join(settings.recordDir, name), 'utf8').split('\n'))
  return lines.reduce((sum, line) => sum + Number(/"seconds":([\d.]+)/.exec(line)?.[1] ?? 0), 0)
}

const run = mounted() ? test : test.skip
run(
  'a recording that a full disk keeps from being finished is finished once there is room',
  async () => {
    const relay = await start(settings)
    const { backend, events, logged, until } = relay
    await broadcast(relay)
    // It is written beside the broadcast: only what is on disk can be said to stay.
    for (let i = 0; i < 400 && secondsOnDisk() < 2.9; i++) await sleep(20)
    fill()
    const refused = await backend.end('a').then(
      () => 'ended',
      (error: NodeJS.ErrnoException) => error.code,
    )
    assert.is(refused, 'ENOSPC')
    assert.not(events.some(event => event.type === 'recording'))

    // Who publishes meanwhile is heard of: the live stream goes on, its recording cannot.
    await broadcast(relay)
    const told = () => events.flatMap(one => (one.type === 'health' ? [one.problem ?? ''] : []))
    for (let i = 0; i < 200 && !told().some(one => /has stopped/.test(one)); i++) await sleep(20)
    assert.match(told().join(), /the recording has stopped \(the disk is full/)
    assert.match(logged.join(), /a recording loses media/)

    rmSync(ballast)
    await backend.end('a')
    const event = await until('recording')
    const seconds = await secondsOf(backend, event.type === 'recording' ? event.url : '')
    assert.ok(seconds > 2.5, `${seconds} s of the first broadcast`)
    await backend.close()
  },
)

run(
  'a relay that finds its disk full at the start starts, and finishes the recording at another',
  async () => {
    rmSync(ballast, { force: true })
    const first = await start(settings)
    await broadcast(first)
    await first.backend.close()
    fill()
    const over = { about: async () => ({ paid: false, over: true }) }
    const second = await start(settings, 0, over)
    await second.backend.hooks?.start?.()
    assert.match(second.logged.join(), /a recording could not be looked after/)
    await second.backend.close()
    rmSync(ballast)
    const third = await start(settings, 0, over)
    await third.backend.hooks?.start?.()
    const event = await third.until('recording')
    assert.ok((await secondsOf(third.backend, event.type === 'recording' ? event.url : '')) > 2.5)
    await third.backend.close()
  },
)

test.after(() => {
  try {
    execFileSync('umount', [dir], { stdio: 'ignore' })
  } catch {
    // It was never mounted.
  }
  rmSync(dir, { recursive: true, force: true })
})
test.run()
