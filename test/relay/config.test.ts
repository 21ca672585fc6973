import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadConfig } from '../../relay/config/config.ts'
import { type ConfBlock, isBlock, parseTaoConf } from '../../relay/config/taoconf.ts'

const plain = (block: ConfBlock): object =>
  Object.fromEntries(
    [...block.entries].map(([name, entry]) => [name, isBlock(entry) ? plain(entry) : entry.value]),
  )
const parse = (text: string) => plain(parseTaoConf(text))

function withFile<T>(text: string, use: (file: string) => T): T {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-conf-'))
  const file = join(dir, 'strfry.conf')
  writeFileSync(file, text)
  try {
    return use(file)
  } finally {
    rmSync(dir, { recursive: true })
  }
}
const load = (text: string, set: string[] = []) =>
  withFile(text, file => loadConfig({ file, set, env: {} }))
const problem = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    return String(error)
  }
  return 'no problem'
}

test('names, blocks, texts, numbers, booleans, lists and comments are read', () => {
  const text = `
    ## a comment
    db = "./x/"   # behind a value
    relay { port = 7777, info { name = "a \\"b\\" # no comment" } }
    list = ["a", "b"]
    yes = true; no = false
    rate = 1.5
    negative = -3
    single = 'raw \\n'
    nested = { deep = 1 }`
  assert.equal(parse(text), {
    db: './x/',
    relay: { port: 7777, info: { name: 'a "b" # no comment' } },
    list: ['a', 'b'],
    yes: true,
    no: false,
    rate: 1.5,
    negative: -3,
    single: 'raw \\n',
    nested: { deep: 1 },
  })
  assert.equal(parse(''), {})
})

test('a mistake is told with its line', () => {
  const cases: [string, RegExp][] = [
    ['a = 1\nb = hello', /line 2: the value of b needs quotes: "hello"/],
    ['a = 1\n\nmax-size = 5', /line 3: .*hyphen/],
    ['relay {\n  port = 1\n', /line 1: this \{ is never closed/],
    ['a = "open\nb = 1', /line 1: this text is not closed/],
    ['a = 1\na = 2', /line 2: a is set twice/],
    ['a\n= 1\nb = }', /line 3: b has no value/],
    ['= 1', /line 1: a name was expected/],
    ['a 1', /line 1: after a comes =/],
    ['a = 1 }', /line 1: a name was expected, not \}/],
  ]
  for (const [text, sentence] of cases)
    assert.match(
      problem(() => parse(text)),
      sentence,
      text,
    )
})

test('the shipped file is all defaults, and knows every key', () => {
  const file = fileURLToPath(new URL('../../strfry.conf', import.meta.url))
  const shipped = loadConfig({ file, set: [], env: {} })
  const bare = load('')
  assert.equal(shipped.config, bare.config)
  assert.equal(shipped.unknown, [])
  assert.equal(shipped.ignored, [])
})

test('the shipped file shows every key of strfry that says something here', () => {
  const file = fileURLToPath(new URL('../../strfry.conf', import.meta.url))
  const shown = pathsOf(parse(readFileSync(file, 'utf8')))
  // Ours beside strfry's; what they say stands in docs/plugins.md.
  const ours = /^relay\.writePolicy\.(onFailure|pipeline|read|kinds|env)$/
  for (const path of pathsOf(load('').config))
    if (!ours.test(path)) assert.ok(shown.includes(path), `strfry.conf does not show ${path}`)
})

const pathsOf = (value: object, prefix = ''): string[] =>
  Object.entries(value).flatMap(([key, inner]) =>
    typeof inner === 'object' && !Array.isArray(inner)
      ? pathsOf(inner, `${prefix}${key}.`)
      : [prefix + key],
  )

test('keys of strfry that say nothing here are named, and misspelt ones too', () => {
  const { ignored, unknown } = load(`
    dbParams { maxreaders = 256 }
    relay { nofiles = 1000, prot = 1, numThreads { ingester = 3 } writePolicy { plugin = "" } }
    events { ephemeralEventsLifetimeSeconds = 300 }`)
  assert.equal(unknown, ['relay.prot'])
  assert.ok(ignored.includes('relay.nofiles'))
  assert.ok(ignored.includes('dbParams'))
  assert.ok(ignored.includes('relay.numThreads'))
})

test('a wrong value names its key, file and line', () => {
  assert.match(
    problem(() => load('db = "x"\nrelay {\n  port = "many"\n}')),
    /relay\.port: .*strfry\.conf, line 3/,
  )
  assert.match(
    problem(() => load('relay { port = 70000 }')),
    /relay\.port/,
  )
  assert.match(
    problem(() => load('', ['relay.port=many'])),
    /relay\.port: .*--set/,
  )
})

test('--set wins over the file, makes blocks, and takes texts without quotes', () => {
  const { config, blocks } = load('relay { port = 1 }', [
    'relay.port=0',
    'relay.info.name=My relay',
    'liveStream.local.rtmpPort=1936',
    'db=/tmp/somewhere',
    'plugins=["live-chat"]',
  ])
  assert.is(config.relay.port, 0)
  assert.is(config.relay.info.name, 'My relay')
  assert.is(config.db, '/tmp/somewhere')
  assert.equal(config.plugins, ['live-chat'])
  assert.is(JSON.stringify(blocks.liveStream), '{"local":{"rtmpPort":1936}}')
  assert.match(
    problem(() => load('', ['port'])),
    /key=value/,
  )
})

test('a named file that is not there is a sentence', () => {
  assert.match(
    problem(() => loadConfig({ file: '/nowhere.conf', set: [], env: {} })),
    /does not exist/,
  )
})

test('__proto__ is a key like any other', () => {
  load('__proto__ { polluted = 1 }')
  assert.is(({} as Record<string, unknown>).polluted, undefined)
})

test.run()
