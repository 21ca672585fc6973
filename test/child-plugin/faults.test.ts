/** Programs that misbehave, as plugins of the real relay: each is bounded, named in the log, and alone in its trouble. */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { childPlugin } from '../../relay/child-plugin/index.ts'
import type { ChildOptions } from '../../relay/child-plugin/options.ts'
import { connect, person, startRelay } from '../harness.ts'

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))

/** Runs the relay with one program that is asked about kind 1; gives what was logged as [fields, text]. */
async function withPlugin(
  file: string,
  settings: ChildOptions,
  story: (to: Awaited<ReturnType<typeof connect>>, log: string[]) => Promise<void>,
): Promise<void> {
  const log: string[] = []
  const write = (fields: object, text: string) => void log.push(`${JSON.stringify(fields)} ${text}`)
  const command = fixture(file)
  const relay = await startRelay({
    plugins: [childPlugin({ command, settings: { kinds: [1], timeoutSeconds: 1, ...settings } })],
    log: { debug: write, info: write, warn: write, error: write },
  })
  const client = await connect(relay.url)
  try {
    await story(client, log)
  } finally {
    client.close()
    await relay.stop()
  }
}

const faults: [file: string, cause: RegExp][] = [
  ['hang.sh', /it did not answer within 1000 ms/],
  ['ignore-term.sh', /it did not answer within 1000 ms/],
  ['garbage.sh', /it prints what is no JSON/],
  ['wrong-id.sh', /it answered an id that it was not asked about/],
  ['wrong-action.sh', /it answered .*maybe/],
  ['long-line.sh', /it printed a line of more than 8192 bytes/],
  ['exit.sh', /it exited with 3/],
  ['not-there.sh', /it does not start: .*ENOENT/],
]
for (const [file, cause] of faults)
  test(`${file}: the author hears of it in time, the log says why, other events pass`, async () => {
    await withPlugin(file, {}, async (client, log) => {
      const { sign } = person()
      const began = performance.now()
      client.send(['EVENT', sign({ kind: 1, content: 'hello' })])
      assert.equal(await client.publish(sign({ kind: 7, content: '+' })), [true, ''])
      const [, , ok, msg] = await client.next(m => m[0] === 'OK', 15_000)
      assert.equal([ok, msg], [false, 'error: internal error'])
      assert.ok(performance.now() - began < 10_000, 'bounded by its deadline')
      const name = file.replace('.sh', '')
      const said = log.find(line => line.endsWith(' a plugin failed')) ?? ''
      assert.match(said, cause)
      assert.ok(said.includes(`"plugin":"${name}"`), said)
    })
  })

test('a program that fails again and again is left alone, and its grandchildren are gone', async () => {
  await withPlugin('hang.sh', { timeoutSeconds: 0.2 }, async (client, log) => {
    const { sign } = person()
    const leftAlone = () => log.some(line => line.includes('left alone for a while'))
    // Each pause is longer than the one before, so an event meets one, however slow this machine is.
    for (let i = 0; i < 50 && !leftAlone(); i++)
      assert.equal(await client.publish(sign({ kind: 1, content: `${i}` })), [
        false,
        'error: internal error',
      ])
    assert.ok(leftAlone())
    assert.ok(log.some(line => line.includes('pauseMs')))
  })
  assert.equal(await gone(fixture('hang.sh')), [])
})

test('a program that ignores SIGTERM is killed with all its group when the relay stops', async () => {
  await withPlugin('ignore-term.sh', {}, async () => undefined)
  assert.equal(await gone(fixture('ignore-term.sh')), [])
})

test('fail-open lets events pass, but never what is paid for', async () => {
  const settings: ChildOptions = { onFailure: 'accept', kinds: [1, 5610, 5650, 30311] }
  await withPlugin('exit.sh', settings, async client => {
    const { sign, pubkey } = person()
    assert.equal(await client.publish(sign({ kind: 1, content: 'hello' })), [true, ''])
    const stream = [['d', 'show']]
    assert.equal(await client.publish(sign({ kind: 30311, tags: stream })), [true, ''])
    const closed = [false, 'error: internal error']
    const priced = [...stream, ['price', '1', 'second', 'CREDIT']]
    assert.equal(await client.publish(sign({ kind: 30311, tags: priced })), closed)
    assert.equal(await client.publish(sign({ kind: 5610, tags: [['p', pubkey]] })), closed)
    assert.equal(await client.publish(sign({ kind: 5650, tags: [['p', pubkey]] })), closed)
  })
})

test('a few lines that are no JSON are passed over, as strfry does', async () => {
  await withPlugin('chatty.sh', {}, async client => {
    const { sign } = person()
    for (let i = 0; i < 30; i++)
      assert.equal(await client.publish(sign({ kind: 1, content: `${i}` })), [true, ''])
  })
})

/** Processes whose command line names the file, once they have had a moment to go. */
async function gone(file: string): Promise<string[]> {
  for (let i = 0; ; i++) {
    const left = readdirSync('/proc').filter(pid => {
      try {
        return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(file)
      } catch {
        return false
      }
    })
    if (left.length === 0 || i === 50) return left
    await sleep(100)
  }
}

test.run()
