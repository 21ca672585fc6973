import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { kinds } from '../../events/index.ts'
import { type Person, person, startRelay, type TestRelay } from '../harness.ts'
import { until } from '../livepeer/provider.ts'

const test = suite<{ relay: TestRelay; host: Person }>('chat history')

test.before(async context => {
  context.relay = await startRelay({ set: ['liveChat.keepMessages=3'] })
  context.host = person()
})
test.after(({ relay }) => relay.stop())

test('of a stream that is over the newest messages stay; one that goes on keeps all', async ({
  relay,
  host,
}) => {
  const store = relay.relay.store
  const shape = { host: host.pubkey, title: '', summary: '', image: '', hashtags: [], liveMs: 0 }
  const streams = { over: 'ended', on: 'live' } as const
  for (const [d, status] of Object.entries(streams)) {
    const address = `30311:${host.pubkey}:${d}`
    const announcement = { id: '1'.repeat(64), createdAt: 1, ours: false }
    const id = d === 'over' ? 'a'.repeat(32) : 'b'.repeat(32)
    const stream = {
      ...shape,
      address,
      id,
      status,
      announcement,
      freePreviewSeconds: 0,
      chat: 'open',
    }
    await store.transaction(tx => tx.put('stream', address, JSON.stringify(stream)))
    for (let i = 0; i < 6; i++) {
      // Two of them name our companion.
      const named = i > 3 ? `30311:${relay.relay.self}:${id}` : address
      const content = `${d} ${i}`
      const created_at = 1_700_000_000 + i
      await store.putEvent(
        host.sign({ kind: kinds.LiveChat, created_at, content, tags: [['a', named]] }),
      )
    }
  }
  await store.forPlugin('live-chat').transaction(tx => tx.enqueue({ name: 'history', key: 'all' }))
  const said = async (d: string) =>
    (await store.events([{ kinds: [kinds.LiveChat] }]))
      .map(event => event.content)
      .filter(content => content.startsWith(d))
  await until('trimmed', async () => (await said('over')).length === 3)
  assert.equal(await said('over'), ['over 5', 'over 4', 'over 3'])
  assert.is((await said('on')).length, 6)
})

test.run()
