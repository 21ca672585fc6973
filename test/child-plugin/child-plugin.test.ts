/** strfry plugins in several languages as plugins of our relay, from strfry.conf as from code. */
import { chmod, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { childPlugin, nameOf } from '../../relay/child-plugin/index.ts'
import { importPlugin } from '../../relay/loader.ts'
import { connect, person, spawnRelay, startRelay } from '../harness.ts'

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))

for (const file of ['words.py', 'words.js'])
  test(`${file}: accept, reject with its sentence, shadowReject with OK true`, async () => {
    const relay = await startRelay({
      set: [`relay.writePolicy.plugin=${fixture(file)}`, 'plugins=[]'],
    })
    const client = await connect(relay.url)
    const { sign } = person()
    const [good, bad, shadow] = ['good', 'bad', 'shadow'].map(content => sign({ kind: 1, content }))
    if (!good || !bad || !shadow) throw new Error('three events')
    assert.equal(await client.publish(good), [true, ''])
    assert.equal(await client.publish(bad), [false, 'blocked: bad word'])
    assert.equal(await client.publish(shadow), [true, ''])
    const stored = await client.req('all', { kinds: [1] })
    assert.equal(
      stored.map(event => event.id),
      [good.id],
    )
    client.close()
    await relay.stop()
  })

test('exec: in plugins runs a program, and its block is its name in camelCase', async () => {
  const relay = await startRelay({
    set: [
      `plugins=["exec:${fixture('echo.sh')}", "exec:${fixture('words.py')}"]`,
      'words.kinds=[7]',
    ],
  })
  const client = await connect(relay.url)
  const { sign } = person()
  assert.equal(await client.publish(sign({ kind: 1, content: 'bad' })), [true, ''])
  assert.equal(await client.publish(sign({ kind: 7, content: 'bad' })), [
    false,
    'blocked: bad word',
  ])
  client.close()
  await relay.stop()
})

test('a program named without exec: is refused with the way to name it', async () => {
  const problem = await importPlugin(fixture('words.py')).then(String, error => error.message)
  assert.match(problem, /is no JavaScript: a program goes by "exec:/)
  assert.is(nameOf('./plugins/No_Spam.v2.py'), 'no-spam-v2')
})

test('a mistake in its block names the key', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-child-'))
  const set = [`db=${dir}`, `plugins=["exec:${fixture('echo.sh')}"]`, 'echo.onFailure=maybe']
  const problem = await spawnRelay(set.flatMap(one => ['--set', one])).then(() => '', String)
  await rm(dir, { recursive: true })
  assert.match(problem, /echo\.onFailure/)
})

test('a program that says so is asked again before it has answered', async () => {
  for (const pipelined of [true, false]) {
    // An env name of the fixture's own, given through the shell: a command with spaces is a shell's line.
    const command = `${pipelined ? 'PIPELINE=1 ' : 'PIPELINE= '}${fixture('slow.js')}`
    const relay = await startRelay({ plugins: [childPlugin({ command, name: 'slow' })] })
    const client = await connect(relay.url)
    const { sign } = person()
    await client.publish(sign({ kind: 1, content: 'it has started and said hello' }))
    const began = performance.now()
    const events = [1, 2, 3, 4, 5, 6, 7, 8].map(i => sign({ kind: 1, content: `${i}` }))
    const answers = await Promise.all(events.map(event => client.publish(event)))
    const took = performance.now() - began
    assert.ok(answers.every(([ok]) => ok))
    if (!pipelined) assert.ok(took >= 8 * 200, `one at a time takes 1600 ms, not ${took}`)
    else assert.ok(took < 8 * 200, `all at a time, not ${took}`)
    client.close()
    await relay.stop()
  }
})

test('a changed file is started anew, and no event is lost over it', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-child-'))
  const command = join(dir, 'words.js')
  const text = await readFile(fixture('words.js'), 'utf8')
  const write = async (word: string) => {
    await writeFile(command, text.replaceAll("'bad'", `'${word}'`))
    await chmod(command, 0o755)
    await utimes(command, new Date(), new Date())
  }
  await write('bad')
  const relay = await startRelay({ plugins: [childPlugin({ command })] })
  const client = await connect(relay.url)
  const { sign } = person()
  assert.equal(await client.publish(sign({ kind: 1, content: 'ugly' })), [true, ''])
  await write('ugly')
  for (let i = 0; ; i++) {
    const [ok, msg] = await client.publish(sign({ kind: 1, content: `ugly ${i}` }))
    assert.ok(ok || msg === 'blocked: bad word', msg)
    if (!ok) break
    assert.ok(i < 5000, 'the new file is not used')
  }
  client.close()
  await relay.stop()
  await rm(dir, { recursive: true })
})

test('a program that declared it decides about reads, and fails closed', async () => {
  const read = childPlugin({ command: fixture('reads.js'), settings: { read: true } })
  const relay = await startRelay({ plugins: [read] })
  const client = await connect(relay.url)
  const asked = client.req('all', { kinds: [1] })
  assert.match(await asked.then(String, String), /auth-required: REQ is for members/)
  await client.auth(person())
  assert.equal(await client.req('all', { kinds: [1] }), [])
  client.close()
  await relay.stop()

  const broken = childPlugin({ command: fixture('exit.sh'), settings: { read: true } })
  const closed = await startRelay({ plugins: [broken] })
  const other = await connect(closed.url)
  const refused = await other.req('all', { kinds: [1] }).then(String, String)
  assert.match(refused, /error: internal error/)
  other.close()
  await closed.stop()
})

test('secrets of the environment do not reach the program unless it is allowed to have them', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-child-'))
  const command = join(dir, 'env.sh')
  const reply = `while read -r line; do id=\${line#*\\"id\\":\\"}
    printf '{"id":"%s","action":"reject","msg":"blocked: %s/%s"}\\n' "\${id%%\\"*}" "$SLUICE_RELAY_KEY" "$MY_TOKEN"; done`
  await writeFile(command, `#!/bin/sh\n${reply}\n`)
  await chmod(command, 0o755)
  process.env.MY_TOKEN = 'mine'
  process.env.SLUICE_RELAY_KEY = 'a secret'
  const relay = await startRelay({
    plugins: [childPlugin({ command, settings: { env: ['MY_TOKEN'] } })],
  })
  const client = await connect(relay.url)
  assert.equal(await client.publish(person().sign({ kind: 1 })), [false, 'blocked: /mine'])
  client.close()
  await relay.stop()
  delete process.env.MY_TOKEN
  delete process.env.SLUICE_RELAY_KEY
  await rm(dir, { recursive: true })
})

test.run()
