/**
 * Figures of the local media backend: `node --import tsx scripts/bench/media.ts [SECONDS]`. Publishes 720p30 over
 * RTMP to each engine that works here and prints how soon it is live and what the engine costs.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { enginePids, engines, media, start } from '../../test/media/local.ts'

const seconds = Number(process.argv[2] ?? 20)
const TICKS_PER_SECOND = 100

for (const engine of await engines()) {
  const { backend, until, push } = await start({ engine })
  const publisher = push('key-a', { width: 1280, height: 720 })
  await publisher.publishing
  const began = performance.now()
  await until('live')
  const liveMs = performance.now() - began
  const [pid = 0] = enginePids()
  const before = cpuSeconds(pid)
  await sleep(seconds * 1000)
  const perMinute = ((cpuSeconds(pid) - before) * 60) / seconds
  const { bytes } = await media(backend, 'source')
  console.log(
    `${engine}: publish -> live ${liveMs.toFixed(0)} ms; engine ${perMinute.toFixed(1)} CPU s a minute, ` +
      `${residentMb(pid)} MB; newest source segment ${(bytes.length / 1024).toFixed(0)} KB`,
  )
  await publisher.stop()
  await backend.close()
}

/** Linux: user and system time of a process. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

function residentMb(pid: number): number {
  const kb = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Math.round(Number(kb) / 1024)
}
