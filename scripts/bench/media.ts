/**
 * Figures of the local media backend: `node --import tsx scripts/bench/media.ts [SECONDS]`. Publishes 720p30 over
 * RTMP to each engine that works here and prints how soon it is live and what the engine costs.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { enginePids, engines, media, start } from '../../test/media/local.ts'
import { cpuSeconds, residentMb } from './process.ts'

const seconds = Number(process.argv[2] ?? 20)

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
