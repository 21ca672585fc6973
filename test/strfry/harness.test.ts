/** The harness does what strfry does with plugins that misbehave, and the shipped strfry.conf is one for both relays. */
import { mkdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { writePolicyPlugins } from '../../relay/child-plugin/write-policy.ts'
import { loadConfig } from '../../relay/config/config.ts'
import { writeLaunchers } from '../../scripts/build/launchers.ts'
import { person } from '../harness.ts'
import { readAsStrfry } from './conf.ts'
import { strfryPlugin } from './harness.ts'

const fixture = (name: string) =>
  fileURLToPath(new URL(`../child-plugin/fixtures/${name}`, import.meta.url))
const shipped = readFileSync(new URL('../../strfry.conf', import.meta.url), 'utf8')
const { sign } = person()
const failed = { action: 'reject', msg: 'error: internal error' }

test('the harness restarts after a wrong id, a wrong action, an exit, a long line and a time-out', async () => {
  const cases: [file: string, cause: RegExp][] = [
    ['wrong-id.sh', /id mismatch/],
    ['wrong-action.sh', /unknown action: maybe/],
    ['exit.sh', /stream closed/],
    ['long-line.sh', /record too large/],
    ['slow.js', /timeout/],
  ]
  for (const [file, cause] of cases) {
    const plugin = strfryPlugin({
      command: fixture(file),
      timeoutSeconds: file === 'slow.js' ? 0.05 : 5,
    })
    assert.equal(await plugin.ask(sign({ kind: 1 })), failed, file)
    assert.match(plugin.log.at(-1) ?? '', cause)
    await plugin.ask(sign({ kind: 1 }))
    assert.is(plugin.starts(), 2, file)
    await plugin.close()
  }
})

test('the harness passes over lines that are no JSON, and takes the sentence as it is', async () => {
  const chatty = strfryPlugin({ command: fixture('chatty.sh') })
  assert.is((await chatty.ask(sign({ kind: 1 }))).action, 'accept')
  assert.is(chatty.log.length, 2)
  await chatty.close()
  const words = strfryPlugin({ command: fixture('words.py') })
  const bad = await words.ask(sign({ kind: 1, content: 'bad' }))
  assert.equal(bad, { action: 'reject', msg: 'blocked: bad word' })
  assert.is((await words.ask(sign({ kind: 1, content: 'shadow' }))).action, 'shadowReject')
  await words.close()
})

test('strfry reads the shipped file, and takes from it what our relay takes', () => {
  const strfry = readAsStrfry(shipped)
  const file = fileURLToPath(new URL('../../strfry.conf', import.meta.url))
  const { config } = loadConfig({ file, set: [], env: {} })
  assert.ok(strfry.size > 30, `${strfry.size} keys`)
  for (const [path, value] of strfry) {
    const ours = path.split('.').reduce<unknown>((tree, key) => (tree as never)?.[key], config)
    assert.equal(ours, value, path)
  }
})

test('the harness refuses what strfry refuses', () => {
  for (const text of [
    'live-stream { a = 1 }',
    'db = sluice',
    'relay { port = "7777" }',
    'relay {',
    '}',
  ])
    assert.throws(() => readAsStrfry(text), undefined, text)
})

test('our own launcher in relay.writePolicy.plugin is passed over by our relay, any other program is run', async () => {
  const dist = await mkdtemp(join(tmpdir(), 'sluice-dist-'))
  for (const name of ['live-chat', 'own']) {
    mkdirSync(join(dist, 'plugins', name), { recursive: true })
    await writeFile(join(dist, 'plugins', name, 'index.js'), '')
  }
  const [all, chat, own] = writeLaunchers(dist)
  const log = { debug() {}, info() {}, warn() {}, error() {} }
  const run = (command = '') => {
    const set = [`relay.writePolicy.plugin=${command}`, 'relay.writePolicy.timeoutSeconds=3']
    return writePolicyPlugins(loadConfig({ file: '/dev/null', set, env: {} }).config, log)
  }
  assert.equal(run(), [])
  assert.equal(run(all), [])
  assert.equal(run(chat), [])
  assert.equal(
    run(own).map(plugin => plugin.name),
    ['write-policy'],
    'not one of those that run here',
  )
  assert.equal(
    run(fixture('words.py')).map(plugin => plugin.name),
    ['write-policy'],
  )
  await rm(dist, { recursive: true })
})

test.run()
