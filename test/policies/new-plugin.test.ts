import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { connect, startRelay } from '../harness.ts'
import { folder, note } from './ask.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)
const tsx = ['--import', join(root, 'node_modules/tsx/dist/esm/index.mjs')]
// A test runner above must not be taken for one of our own by node:test.
const { NODE_TEST_CONTEXT: _, ...env } = process.env

const test = suite<{ dir: string; done(): void; sluice(...args: string[]): Promise<string> }>(
  'sluice plugin new',
)
test.before(() => {
  assert.ok(existsSync(join(root, 'dist/plugins/plugin.js')), 'npm run build comes first')
})
/** An operator's folder, into which sluice has been installed. */
test.before.each(context => {
  Object.assign(context, folder())
  const modules = join(context.dir, 'node_modules')
  mkdirSync(modules)
  symlinkSync(root, join(modules, 'sluice'))
  for (const name of ['zod', 'uvu', 'tsx'])
    symlinkSync(join(root, 'node_modules', name), join(modules, name))
  writeFileSync(join(context.dir, 'package.json'), '{"type":"module"}')
  context.sluice = async (...args) =>
    (
      await run(process.execPath, [...tsx, join(root, 'scripts/sluice.ts'), ...args], {
        cwd: context.dir,
        env,
      })
    ).stdout
})
test.after.each(({ done }) => done())

test('what it writes passes its own test, and runs in a relay from the line that it prints', async ({
  dir,
  sluice,
}) => {
  const said = await sluice('plugin', 'new', 'no-ads')
  assert.match(said, /wrote no-ads.ts and no-ads.test.ts/)
  assert.match(said, /plugins = \["\.\/no-ads.ts", ".*"live-stream", /)
  assert.match(said, /noAds \{ words = \["airdrop", "giveaway"\] \}/)
  const { stdout } = await run(process.execPath, [...tsx, 'no-ads.test.ts'], { cwd: dir, env })
  assert.match(stdout, /Passed: {4}2/)

  const relay = await startRelay({
    set: [`plugins=["${join(dir, 'no-ads.ts')}"]`, 'noAds.words=["giveaway"]'],
  })
  const client = await connect(relay.url)
  assert.equal(await client.publish(note('an airdrop')), [true, ''])
  assert.match(
    (await client.publish(note('a giveaway')))[1],
    /^blocked: nobody wants to read of giveaway/,
  )
  client.close()
  await relay.stop()
})

test('the built relay loads it as it is, beside policies by their names', async ({
  dir,
  sluice,
}) => {
  const said = await sluice('plugin', 'new', 'no-ads')
  const lines = said.split('\n').map(line => line.trim())
  const block = lines.find(line => line.startsWith('noAds'))
  writeFileSync(
    join(dir, 'strfry.conf'),
    `db = "./db/"\nrelay { port = 0 }\nplugins = ["./no-ads.ts", "hellthread"]\n${block}\n`,
  )
  const child = spawn(
    process.execPath,
    [join(root, 'dist/relay/main.js'), '--config', 'strfry.conf'],
    {
      cwd: dir,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const [first] = await once(createInterface({ input: child.stdout }), 'line')
  const client = await connect(/ws:\S+/.exec(first)?.[0] ?? '')
  assert.match(
    (await client.publish(note('a giveaway')))[1],
    /^blocked: nobody wants to read of giveaway/,
  )
  const people = Array.from({ length: 21 }, (_, i) => ['p', String(i)])
  assert.match((await client.publish(note('hi', people)))[1], /^blocked: this mentions 21 people/)
  assert.equal(await client.publish(note('hi', people.slice(1))), [true, ''])
  client.close()
  child.kill('SIGTERM')
  await once(child, 'exit')
})

test('JavaScript with --js, and node:test where uvu is not installed', async ({ dir }) => {
  const bare = join(dir, 'bare')
  mkdirSync(join(bare, 'node_modules'), { recursive: true })
  writeFileSync(join(bare, 'package.json'), '{}')
  const sluice = [...tsx, join(root, 'scripts/sluice.ts'), 'plugin', 'new']
  // Modules are looked for upwards: from here uvu is seen, from a folder of its own it is not.
  const { stdout: said } = await run(process.execPath, [...sluice, 'mine', '--js'], {
    cwd: bare,
    env,
  })
  assert.match(said, /wrote mine.mjs and mine.test.mjs\n {2}test it: {2}node mine.test.mjs/)
  const { stdout } = await run(process.execPath, ['mine.test.mjs'], { cwd: bare, env })
  assert.match(stdout, /Passed: {4}2/)

  const alone = folder()
  mkdirSync(join(alone.dir, 'node_modules'))
  symlinkSync(root, join(alone.dir, 'node_modules/sluice'))
  symlinkSync(join(root, 'node_modules/zod'), join(alone.dir, 'node_modules/zod'))
  await run(process.execPath, [...sluice, 'mine', '--js'], { cwd: alone.dir, env })
  assert.match(readFileSync(join(alone.dir, 'mine.test.mjs'), 'utf8'), /from 'node:test'/)
  const tap = await run(process.execPath, ['mine.test.mjs'], { cwd: alone.dir, env })
  assert.match(tap.stdout, /pass 2/)
  alone.done()
})

test('it overwrites nothing and refuses what is no name', async ({ dir, sluice }) => {
  const fails = (...args: string[]) =>
    sluice(...args).then(
      () => '',
      error => String(error.stderr),
    )
  writeFileSync(join(dir, 'mine.test.ts'), 'dear to somebody')
  assert.match(await fails('plugin', 'new', 'mine'), /mine.test.ts is there already/)
  assert.not(existsSync(join(dir, 'mine.ts')), 'nor half of it')
  assert.is(readFileSync(join(dir, 'mine.test.ts'), 'utf8'), 'dear to somebody')
  assert.match(await fails('plugin', 'new', 'My_Plugin'), /"My_Plugin" is no plugin name/)
  assert.match(await fails('plugin', 'new'), /"" is no plugin name/)
})

test('where sluice cannot be imported it says so', async () => {
  const { dir, done } = folder()
  const { stdout } = await run(
    process.execPath,
    [...tsx, join(root, 'scripts/sluice.ts'), 'plugin', 'new', 'mine'],
    { cwd: dir, env },
  )
  assert.match(stdout, /this folder cannot import sluice and zod yet/)
  done()
})

test.run()
