import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import type { Plugin } from '../../plugins/plugin.ts'
import { loadConfig } from '../../relay/config/config.ts'
import { blockName, importPlugin } from '../../relay/loader.ts'
import { startRelay } from '../harness.ts'
import { folder } from '../policies/ask.ts'
import { blocks, pageText, typeProblems, writeExamples } from './examples.ts'

const page = pageText('docs/plugins.md')
const test = suite<{ dir: string; files: string[]; done(): void }>('docs/plugins.md')

/** An operator's folder with the page's examples in it. */
test.before(context => {
  Object.assign(context, folder())
  context.files = writeExamples(context.dir, page, ['zod', '@types', 'hono', 'prom-client'])
  assert.ok(context.files.length >= 2)
})
test.after(({ done }) => done())

test('its examples have the types that they say', async ({ dir, files }) => {
  assert.is(await typeProblems(dir, files), '')
})

test('its examples load into a relay', async ({ dir, files }) => {
  const paths = files.map(file => join(dir, file))
  const relay = await startRelay({ set: [`plugins=${JSON.stringify(paths)}`] })
  await relay.stop()
})

test('its configurations name what there is, with options that there are', async ({ dir }) => {
  const written = blocks(page, 'conf')
  assert.ok(written.length >= 3)
  for (const text of written) {
    const file = join(dir, 'strfry.conf')
    writeFileSync(file, text)
    const { config, blocks: own, unknown } = loadConfig({ file, set: [], env: {} })
    assert.equal(unknown, [])
    const plugins = await Promise.all(
      config.plugins.map(name => importPlugin(name.startsWith('./') ? join(dir, name) : name)),
    )
    for (const [block, options] of Object.entries(own)) {
      const plugin = plugins.find(({ name }) => blockName(name) === block)
      if (!plugin) throw new Error(`${block} is the block of no plugin in: ${text}`)
      const keys =
        plugin.options instanceof z.ZodObject ? Object.keys(plugin.options.shape) : undefined
      if (keys)
        for (const key of Object.keys(options as object))
          assert.ok(keys.includes(key), `${plugin.name} has no option ${key}`)
      plugin.options.parse(options)
    }
  }
})

const needed: Record<string, object> = {
  'nip05-domains': { domains: ['example.com'] },
  'web-of-trust': { roots: ['0'.repeat(64)] },
}

test('its table of policies has all of them, with the defaults that hold', async () => {
  const table = /^\| name \| takes \|[\s\S]*?\n\n/m.exec(page)?.[0] ?? ''
  const rows = [...table.matchAll(/^\| `([a-z0-9-]+)` \| [^|]+ \| ([^|]+) \|$/gm)]
  assert.ok(rows.length >= 15)
  for (const [, name = '', said = ''] of rows) {
    const plugin: Plugin = await importPlugin(name)
    const defaults = plugin.options.parse(needed[name] ?? {}) as Record<string, unknown>
    for (const [, option = '', value] of said.matchAll(/`([a-zA-Z]+)(?: = ([^`]+))?`/g)) {
      assert.ok(option in defaults, `${name} has no option ${option}`)
      if (value) assert.equal(defaults[option], JSON.parse(value), `${name}.${option}`)
    }
    for (const option of Object.keys(defaults))
      assert.ok(said.includes(`\`${option}`), `the page does not name ${name}.${option}`)
  }
})

test.run()
