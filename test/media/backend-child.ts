import { enginePids, start } from './local.ts'

/** A backend with a publisher, for its parent to kill; says which engines it runs. */
const { until, push } = await start(JSON.parse(process.argv[2] ?? '{"transcode":false}'))
process.once('disconnect', () => process.exit(1))
push('key-a')
await until('live')
process.send?.(enginePids())
