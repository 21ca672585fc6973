/** The built relay in an operator's folder, as a process of its own: what SIGHUP reads anew. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { person } from '../harness.ts'
import { folder } from '../policies/ask.ts'
import { closeAll, closeLater, open, refusing, says, until, write } from './fixtures.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const test = suite('SIGHUP')
test.before(() => {
  assert.ok(existsSync(join(root, 'dist/relay/main.js')), 'npm run build comes first')
})
test.after.each(closeAll)

/** A relay whose working directory is `dir`, with dir/strfry.conf; `log` gives its lines. */
async function startIn(dir: string) {
  const child = spawn(process.execPath, [join(root, 'dist/relay/main.js')], {
    cwd: dir,
    env: { ...process.env, STRFRY_CONFIG: join(dir, 'strfry.conf') },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = once(child, 'exit')
  let [out, err] = ['', '']
  child.stdout.on('data', chunk => {
    out += chunk
  })
  child.stderr.on('data', chunk => {
    err += chunk
  })
  closeLater(async () => {
    child.kill('SIGTERM')
    await exited
  })
  await until('it listens', () => {
    if (child.exitCode !== null) throw new Error(`the relay did not start: ${err}`)
    return out.includes('operate:')
  })
  return {
    url: /listening on (\S+)/.exec(out)?.[1] ?? '',
    hangUp: () => child.kill('SIGHUP'),
    log: () => err,
    lines: (text: string) => err.split('\n').filter(line => line.includes(text)),
  }
}

/** A program that refuses notes with its pid. */
const CHILD = `#!/usr/bin/env node
require('node:readline').createInterface({ input: process.stdin }).on('line', line => {
  const { event } = JSON.parse(line)
  const action = event.content.startsWith('child') ? 'reject' : 'accept'
  console.log(JSON.stringify({ id: event.id, action, msg: 'blocked: by ' + process.pid }))
})
`

function operatorsFolder() {
  const { dir, done } = folder()
  closeLater(done)
  const file = (name: string) => join(dir, name)
  writeFileSync(file('package.json'), '{"type":"module"}')
  mkdirSync(file('node_modules/quiet-relay/lib'), { recursive: true })
  writeFileSync(
    file('node_modules/quiet-relay/package.json'),
    '{"name":"quiet-relay","type":"module","exports":{".":{"types":"./lib/index.d.ts","import":"./lib/index.js"}}}',
  )
  writeFileSync(file('node_modules/quiet-relay/lib/how.js'), "export const how = 'quiet'\n")
  writeFileSync(
    file('node_modules/quiet-relay/lib/index.js'),
    `import { how } from './how.js'\n${refusing('quiet', 'HOW', 3).replace("'blocked: HOW'", "'blocked: be ' + how")}`,
  )
  writeFileSync(file('child.cjs'), CHILD)
  chmodSync(file('child.cjs'), 0o755)
  const conf = (text: string) =>
    write(
      file('strfry.conf'),
      `db = "./db/"\n${text.includes('port') ? '' : 'relay { port = 0 }'}\n${text}`,
    )
  return { file, dir, conf }
}

test('plugins come and go, a package and a program among them, and what needs a restart is named', async () => {
  const { dir, file, conf } = operatorsFolder()
  write(file('words.ts'), "export const sentence: string = 'first'\n")
  write(
    file('door.ts'),
    `import { sentence } from './words.ts'\n${refusing('door', 'SENTENCE').replace("'blocked: SENTENCE'", "'blocked: ' + sentence")}`,
  )
  conf('plugins = ["quiet-relay"]')
  const relay = await startIn(dir)
  const [client, who] = [await open(relay.url), person()]
  let said = 0
  const answer = async (kind = 1, content = 'x') =>
    String((await client.publish(says(who, `${content} ${said++}`, kind)))[1])
  const becomes = (what: string, wanted: RegExp, kind?: number, content?: string) =>
    until(what, async () => wanted.test(await answer(kind, content)))
  assert.is(await answer(3), 'blocked: be quiet')
  assert.is(await answer(), '')

  conf('plugins = ["quiet-relay", "./door.ts"]')
  relay.hangUp()
  await becomes('a plugin that is added', /^blocked: first$/)
  write(file('words.ts'), "export const sentence: string = 'second'\n")
  await becomes('its helper, by itself', /^blocked: second$/)
  assert.is(await answer(3), 'blocked: be quiet')
  write(file('node_modules/quiet-relay/lib/how.js'), "export const how = 'still'\n")
  await becomes('a package that was installed anew', /^blocked: be still$/, 3)
  renameSync(file('node_modules/quiet-relay'), file('node_modules/.quiet-relay'))
  await until('it is missed', () => relay.lines('nothing was reloaded').length > 0)
  assert.is(await answer(3), 'blocked: be still')
  write(file('node_modules/.quiet-relay/lib/how.js'), "export const how = 'silent'\n")
  renameSync(file('node_modules/.quiet-relay'), file('node_modules/quiet-relay'))
  await becomes('it is back', /^blocked: be silent$/, 3)
  assert.is(relay.lines('nothing was reloaded').length, 1, 'it is said once')

  conf('plugins = ["exec:./child.cjs", "./door.ts"]\nchild { kinds = [1] }')
  relay.hangUp()
  await becomes('a program', /^blocked: by \d+$/, 1, 'child')
  assert.is(await answer(3), '', 'the package is gone')
  const pid = Number(/\d+/.exec(await answer(1, 'child'))?.[0])
  relay.hangUp()
  await until('another reload', () => relay.lines('"reloaded"').length >= 6)
  assert.is(await answer(1, 'child'), `blocked: by ${pid}`, 'as it was, it goes on')
  conf('plugins = ["exec:./child.cjs", "./door.ts"]\nchild { kinds = [7] }')
  relay.hangUp()
  await becomes('the program with other settings', /^blocked: by \d+$/, 7, 'child')
  assert.is.not(await answer(7, 'child'), `blocked: by ${pid}`)
  assert.is(await answer(1, 'child'), 'blocked: second')
  await until('the old one is ended', () => !isAlive(pid))

  conf('plugins = ["./door.ts"\n')
  relay.hangUp()
  await until('the mistake is named', () => relay.lines('nothing was reloaded').length > 1)
  assert.match(relay.lines('nothing was reloaded')[1] ?? '', /strfry\.conf, line \d/)
  assert.is(await answer(), 'blocked: second')

  conf('plugins = []\nrelay { port = 1, maxSubsPerConnection = 1 }\nlogLevel = "error"')
  relay.hangUp()
  await becomes('a plugin that is taken away', /^$/)
  assert.match(relay.lines('needs a restart')[0] ?? '', /"relay\.port"/)
  await client.req('a', { kinds: [1] })
  assert.match(await client.req('b', {}).catch(e => e.message), /at most 1 subscriptions/)
  const reloads = relay.lines('"reloaded"').length
  conf('plugins = ["quiet-relay"]')
  relay.hangUp()
  await becomes('loaded again', /be silent/, 3)
  assert.is(relay.lines('"reloaded"').length, reloads, 'the log says errors only')
})

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test.run()
