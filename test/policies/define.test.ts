import { readdirSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import {
  accept,
  contractVersion,
  definePlugin,
  definePolicy,
  type Host,
  reject,
} from '../../plugins/plugin.ts'
import { importPlugin } from '../../relay/loader.ts'
import { connect, startRelay } from '../harness.ts'
import { note } from './ask.ts'

const host = {} as Host

test('a defined policy is a plugin whose options have the types of their schema', async () => {
  const made = definePolicy({
    name: 'not-longer',
    options: z.object({ maxLength: z.number().default(5) }),
    create: ({ maxLength }) => ({
      name: 'not-longer',
      write: ({ content }) =>
        content.length > maxLength ? reject(`blocked: at most ${maxLength.toFixed()}`) : accept,
    }),
  })
  const { policies = [] } = await made.setup(host, made.options.parse({}))
  assert.equal(
    policies.map(policy => policy.name),
    ['not-longer'],
  )
  const relay = await startRelay({ plugins: [made], set: ['notLonger.maxLength=3'] })
  const client = await connect(relay.url)
  assert.equal(await client.publish(note('abc')), [true, ''])
  assert.equal(await client.publish(note('abcd')), [false, 'blocked: at most 3'])
  client.close()
  await relay.stop()
})

test('create may give several, later, and they are closed with the plugin', async () => {
  const closed: string[] = []
  const part = (name: string) => ({
    name,
    write: () => accept,
    close: () => void closed.push(name),
  })
  const made = definePolicy({
    name: 'two',
    options: z.object({}),
    create: async () => [part('one'), part('other')],
  })
  const hooks = await made.setup(host, {})
  assert.is(hooks.policies?.length, 2)
  await hooks.close?.()
  assert.equal(closed, ['one', 'other'])
})

test('misuse throws one sentence where it happens', async () => {
  const fine = {
    name: 'fine',
    options: z.object({}),
    create: () => ({ name: 'x', write: () => accept }),
  }
  const wrong = (change: object) => () => definePolicy({ ...fine, ...change } as typeof fine)
  assert.throws(wrong({ name: 'Not Fine' }), /policy name "Not Fine" needs lower-case letters/)
  assert.throws(wrong({ name: undefined }), /policy name "undefined" needs/)
  assert.throws(
    wrong({ options: { words: [] } }),
    /policy fine has no options, which are a zod schema/,
  )
  assert.throws(wrong({ create: undefined }), /policy fine has no create function/)
  assert.throws(() => definePolicy(undefined as never), /policy name/)
  const setup = () => ({})
  assert.throws(() => definePlugin({ name: 'x', setup } as never), /plugin x has no options/)
  const broken = async (made: unknown): Promise<string> => {
    try {
      await wrong({ create: () => made })().setup(host, {})
    } catch (error) {
      return (error as Error).message
    }
    return 'fine'
  }
  assert.match(await broken(undefined), /create gave no policy/)
  assert.match(await broken({ name: 'x' }), /create gave no policy/)
  assert.match(await broken([{ write: () => accept }]), /create gave no policy/)
  assert.match(
    await broken({ name: 'x', write: 5 }),
    /write, read and visible need to be functions/,
  )
  assert.is(await broken({ name: 'x', read: () => accept }), 'fine')
})

test('the contract has a version', () => assert.is(contractVersion, 1))

const files = readdirSync(new URL('../../policies', import.meta.url)).map(file =>
  file.replace('.ts', ''),
)
const HELPERS = [
  'author-list',
  'compose',
  'index',
  'pubkeys',
  'source',
  'token-bucket',
  'well-known',
]

for (const name of files.filter(file => !HELPERS.includes(file)))
  test(`policy ${name} is loaded by its name`, async () => {
    assert.is((await importPlugin(name)).name, name)
  })

test('what is no plugin is a sentence', async () => {
  const sentence = (name: string) =>
    importPlugin(name).then(
      () => '',
      error => (error as Error).message,
    )
  assert.match(
    await sentence('compose'),
    /has no default export made by definePlugin or definePolicy/,
  )
  assert.match(
    await sentence('no-such-thing'),
    /built-in name, a file's path or an installed package/,
  )
  assert.match(await sentence('./no-such-thing.js'), /no such file as/)
  assert.match(await sentence('zod'), /plugin "zod" has no default export made by/)
})

test.run()
