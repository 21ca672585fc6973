/**
 * `npm run demo`: the whole story on this machine, with real media and real signatures, against a folder that
 * is thrown away. Prints what it measured; exits 0 only if every step held.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { announces, kills, pays, plays, publishes, stops } from './demo/steps.ts'
import { type Story, story } from './demo/story.ts'

const dir = await mkdtemp(join(tmpdir(), 'sluice-demo-'))
const tale: Story = story(dir)
try {
  await tale.start()
  await announces(tale)
  await publishes(tale)
  await plays(tale)
  await pays(tale)
  await kills(tale)
  await stops(tale)
} catch (error) {
  tale.failed(error)
} finally {
  await tale.end()
  await rm(dir, { recursive: true, force: true })
}
process.exitCode = tale.summary()
