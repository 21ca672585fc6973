/** The companion loads its plugins anew while events come: each event has one reaction, by one plugin. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Event } from 'nostr-tools'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startCompanion } from '../../relay/companion/companion.ts'
import { loadConfig } from '../../relay/config/config.ts'
import { person, startRelay } from '../harness.ts'
import { folder } from '../policies/ask.ts'
import { closeAll, closeLater, keptLog, open, says, until, write } from './fixtures.ts'

const test = suite('reload of the companion')
test.after.each(closeAll)

/** Answers each event of its kind with a 1111 that says who did: a handler, or a job after it was stored. */
const echo = (name: string, version: number, kind: number, hook: 'handles' | 'onStored') => `
const accept = { action: 'accept' }
export default {
  name: '${name}',
  options: { safeParse: data => ({ success: true, data }) },
  setup: host => ({
    ${hook}: {
      ${kind}: async event => {
        await new Promise(done => setTimeout(done, Math.random() * 20))
        const tags = [['e', event.id]]
        const answer = host.sign({ kind: 1111, created_at: event.created_at, tags, content: '${name} ${version}' })
        return host.store.transaction(async tx => {
          await tx.putEvent(answer)
          if ('${hook}' === 'handles') await tx.putEvent(event)
          return accept
        })
      },
    },
  }),
}
`

async function companionWith(settings: (dir: string) => string[]) {
  const { dir, done } = folder()
  closeLater(done)
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}')
  mkdirSync(join(dir, 'db'))
  const relay = await startRelay({ set: ['plugins=[]'] })
  closeLater(relay.stop)
  const load = (...more: string[]) =>
    loadConfig({
      set: [
        `db=${join(dir, 'db')}`,
        'companion.port=0',
        `relay.auth.serviceUrl=${relay.url}`,
        ...settings(dir),
        ...more,
      ],
      env: {},
      file: '/dev/null',
    })
  return {
    relay,
    file: (name: string) => join(dir, name),
    async start() {
      const kept = keptLog()
      const { log } = kept
      const companion = await startCompanion({ loaded: load(), relayUrl: relay.url, log, env: {} })
      closeLater(companion.close)
      return { ...kept, reload: (...set: string[]) => companion.reload(() => load(...set)) }
    },
  }
}

/** What was answered to each event, by its id. */
async function answersAt(url: string): Promise<Map<string, string[]>> {
  const client = await open(url)
  const answers = new Map<string, string[]>()
  for (const event of await client.req('answers', { kinds: [1111] })) {
    const to = event.tags.find(([name]) => name === 'e')?.[1] ?? ''
    answers.set(to, [...(answers.get(to) ?? []), event.content])
  }
  client.close()
  return answers
}

test('while events come it is loaded anew: none without its reaction, none with two', async () => {
  const made = await companionWith(dir => [`plugins=["${dir}/echo.js"]`])
  write(made.file('echo.js'), echo('echo', 1, 1, 'handles'))
  const companion = await made.start()
  const client = await open(made.relay.url)
  const { sign } = person()
  const sent: Event[] = []
  let over = false
  const load = (async () => {
    for (; !over; await sleep(10)) {
      const event = sign({ kind: 1, content: `note ${sent.length}` })
      if ((await client.publish(event))[0]) sent.push(event)
    }
  })()
  for (let version = 2; version <= 5; version++) {
    await sleep(150)
    write(made.file('echo.js'), echo('echo', version, 1, 'handles'))
    // The last one by itself, as the file has changed.
    if (version < 5) assert.ok(await companion.reload())
    else await until('it sees the change', () => companion.saying('reloaded').length === 4)
  }
  await sleep(100)
  over = true
  await load
  await until('all are answered', async () => (await answersAt(made.relay.url)).size >= sent.length)
  const answers = await answersAt(made.relay.url)
  for (const { id } of sent) assert.is(answers.get(id)?.length, 1)
  const by = new Set([...answers.values()].flat())
  assert.ok(by.has('echo 1') && by.has('echo 5') && by.size >= 4, [...by].join())
})

test('a plugin that is added gets its kinds from the last hour on; a broken one changes nothing', async () => {
  const made = await companionWith(dir => [`plugins=["${dir}/echo.js"]`])
  write(made.file('echo.js'), echo('echo', 1, 1, 'handles'))
  write(made.file('likes.js'), echo('likes', 1, 7, 'onStored'))
  const companion = await made.start()
  const [client, who] = [await open(made.relay.url), person()]
  const early = says(who, '+', 7)
  await client.publish(early)
  await until('it is up to date', () =>
    companion.lines.some(({ text }) => text.startsWith('reactions are up to date')),
  )
  const both = `plugins=["${made.file('echo.js')}","${made.file('likes.js')}"]`
  assert.ok(await companion.reload(both))
  const late = says(who, '-', 7)
  await client.publish(late)
  const answered = async (...events: Event[]) => {
    const answers = await answersAt(made.relay.url)
    return events.map(({ id }) => answers.get(id)?.join() ?? '')
  }
  await until('both are answered', async () => !(await answered(early, late)).includes(''))
  assert.equal(await answered(early, late), ['likes 1', 'likes 1'])

  write(made.file('echo.js'), 'export default = 1')
  assert.not(await companion.reload(both))
  assert.not(await companion.reload(both, 'companion.port=many'))
  assert.match(String(companion.lines.at(-1)?.cause), /^companion\.port: /)
  const note = says(who, 'still here')
  await client.publish(note)
  await until('the old one goes on', async () => (await answered(note))[0] === 'echo 1')

  write(made.file('echo.js'), echo('echo', 2, 1, 'handles'))
  assert.ok(await companion.reload('companion.overlapSeconds=60'))
  assert.equal(companion.saying('what changed here needs a restart').at(-1)?.keys, [
    'companion.overlapSeconds',
  ])
  const unloved = says(who, '*', 7)
  const last = says(who, 'last')
  for (const event of [unloved, last]) await client.publish(event)
  await until('the new one answers', async () => (await answered(last))[0] === 'echo 2')
  assert.equal(await answered(early, late, unloved), ['likes 1', 'likes 1', ''])
})

test.run()
