/** A disk that fills up: OK false, reads go on, nothing is a "duplicate" later, and it recovers by itself. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { connect, person, spawnRelay } from '../harness.ts'

const dir = mkdtempSync(join(tmpdir(), 'sluice-full-'))

function mounted(): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', dir], { stdio: 'ignore' })
    return true
  } catch {
    console.log('SKIP disk full: a small tmpfs cannot be mounted here (needs root)')
    return false
  }
}

const run = mounted() ? test : test.skip
run('a full disk refuses writes, answers reads, and is forgiven once there is room', async () => {
  const relay = await spawnRelay(['--set', `db=${dir}`, '--set', 'plugins=[]'])
  try {
    const client = await connect(relay.url)
    const author = person()
    const first = author.sign({ kind: 1, content: 'there was room' })
    assert.equal(await client.publish(first), [true, ''])

    const ballast = join(dir, 'ballast')
    let refused: ReturnType<typeof author.sign> | undefined
    for (let i = 0; i < 200 && !refused; i++) {
      const event = author.sign({ kind: 1, content: `${i} ${'x'.repeat(60_000)}` })
      const [ok, msg] = await client.publish(event)
      if (ok) continue
      assert.match(msg, /^error: /)
      refused = event
    }
    assert.ok(refused, 'the disk was never full')
    if (!refused) return
    assert.equal(
      (await client.req('read', { ids: [first.id] })).map(e => e.id),
      [first.id],
    )
    assert.match(relay.stderr(), /a group of transactions was not saved/)

    execFileSync('mount', ['-o', 'remount,size=64m', dir])
    writeFileSync(ballast, 'room again')
    assert.equal(await client.publish(refused), [true, ''])
    assert.is((await client.req('again', { ids: [refused.id] })).length, 1)
    client.close()
  } finally {
    await relay.stop()
  }
})
test.after(() => {
  try {
    execFileSync('umount', [dir], { stdio: 'ignore' })
  } catch {
    // It was never mounted.
  }
  rmSync(dir, { recursive: true, force: true })
})

test.run()
