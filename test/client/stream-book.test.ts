import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { announcementTemplate, type Show } from '../../client/host.ts'
import { generateSecret, LocalSigner } from '../../client/local-signer.ts'
import { streamBook } from '../../client/stream-book.ts'
import { kinds, type NostrEvent } from '../../events/index.ts'

const test = suite('stream book')
const NOW = 1_760_000_000
const relay = new LocalSigner(generateSecret())
const host = new LocalSigner(generateSecret())
const self = await relay.pubkey()
const hostKey = await host.pubkey()
const address = `${kinds.LiveStream}:${hostKey}:show`
const OURS = `http://127.0.0.1:7777/p/${'ab'.repeat(16)}/master.m3u8`

const announce = (change: Partial<Show> = {}, extra: string[][] = [], at = NOW) => {
  const show: Show = { d: 'show', status: 'planned', title: 'Show', ...change }
  const template = announcementTemplate(show, at)
  return host.sign({ ...template, tags: [...template.tags, ...extra] })
}

const companion = (status: string, at = NOW, extra: string[][] = []): Promise<NostrEvent> =>
  relay.sign({
    kind: kinds.LiveStream,
    created_at: at,
    tags: [
      ['d', 'ab'.repeat(16)],
      ['a', address],
      ['p', hostKey, '', 'Host'],
      ['title', 'Show'],
      ['status', status],
      ['streaming', OURS],
      ['current_participants', '7'],
      ...extra,
    ],
    content: '',
  })

test('a stream and its companion are one stream, and the companion knows the media', async () => {
  const book = streamBook(self)
  book.add(await announce())
  book.add(await companion('live'))
  const [stream, ...more] = book.list(NOW)
  assert.is(more.length, 0)
  assert.is(stream?.address, address)
  assert.is(stream?.host, hostKey)
  assert.is(stream?.phase, 'live')
  assert.is(stream?.playbackUrl, OURS)
  assert.is(stream?.viewers, 7)
  assert.equal(stream?.chatAddresses, [address, `${kinds.LiveStream}:${self}:${'ab'.repeat(16)}`])
})

test('a recording and a picture that only the relay knows of are the stream’s; the host’s own picture comes first', async () => {
  const book = streamBook(self)
  const said = [
    ['recording', 'http://r/p/a/rec/index.m3u8'],
    ['image', 'https://r/p/a/thumbnail.jpg'],
  ]
  book.add(await announce({ status: 'ended' }, [['recording', 'https://h/old.mp4']]))
  assert.is(book.get(address, NOW)?.recording, 'https://h/old.mp4')
  book.add(await companion('ended', NOW, said))
  assert.is(book.get(address, NOW)?.recording, said[0]?.[1])
  assert.is(book.get(address, NOW)?.image, said[1]?.[1])
  book.add(await announce({ status: 'ended', image: 'https://h/me.jpg' }, [], NOW + 1))
  assert.is(book.get(address, NOW)?.image, 'https://h/me.jpg')
})

test('a companion without its announcement still names the host', async () => {
  const book = streamBook(self)
  book.add(await companion('live'))
  assert.is(book.list(NOW)[0]?.address, address)
  assert.is(book.get(address, NOW)?.host, hostKey)
})

test('somebody else’s event with an a tag is no companion', async () => {
  const book = streamBook(hostKey.replace(/./, 'f'))
  book.add(await announce())
  book.add(await companion('live'))
  assert.is(book.list(NOW).length, 2)
  assert.is(book.get(address, NOW)?.phase, 'planned')
})

test('a deleted companion gives the word back to the host; a stranger cannot delete it', async () => {
  const book = streamBook(self)
  book.add(await announce({ status: 'live' }, [['streaming', OURS]]))
  book.add(await companion('ended'))
  assert.is(book.list(NOW)[0]?.phase, 'ended')
  const tags = [['a', `${kinds.LiveStream}:${self}:${'ab'.repeat(16)}`]]
  const deletion = { kind: kinds.Deletion, created_at: NOW + 1, tags, content: '' }
  assert.not(book.add(await host.sign(deletion)))
  assert.is(book.list(NOW)[0]?.phase, 'ended')
  assert.ok(book.add(await relay.sign(deletion)))
  assert.is(book.list(NOW)[0]?.phase, 'live')
})

test('the newest version counts, whatever the order of arrival', async () => {
  const [older, newer] = [
    await announce({}, [], NOW),
    await announce({ title: 'New' }, [], NOW + 5),
  ]
  for (const order of [
    [older, newer],
    [newer, older],
  ]) {
    const book = streamBook(self)
    for (const event of order) book.add(event)
    assert.is(book.list(NOW)[0]?.title, 'New')
  }
})

test('live without media is starting; live elsewhere and not updated for an hour is over', async () => {
  const here = streamBook(self)
  here.add(await announce({ status: 'live' }))
  assert.is(here.list(NOW)[0]?.phase, 'starting')
  const elsewhere = streamBook(self)
  elsewhere.add(await announce({ status: 'live' }, [['streaming', 'https://x.example/l.m3u8']]))
  assert.is(elsewhere.list(NOW + 60)[0]?.phase, 'live')
  assert.not(elsewhere.list(NOW + 60)[0]?.served)
  assert.is(elsewhere.list(NOW + 3601)[0]?.phase, 'ended')
})

test('live comes first, then what begins next, then what ended last', async () => {
  const book = streamBook(self)
  book.add(await announce({ d: 'old', status: 'ended', ends: NOW - 900 }))
  book.add(await announce({ d: 'older', status: 'ended', ends: NOW - 9000 }))
  book.add(await announce({ d: 'later', starts: NOW + 900 }))
  book.add(await announce({ d: 'soon', starts: NOW + 90 }))
  book.add(await announce({ d: 'now', status: 'live' }, [['streaming', OURS]]))
  assert.equal(
    book.list(NOW).map(({ d }) => d),
    ['now', 'soon', 'later', 'old', 'older'],
  )
})

test('real announcements are all taken in', () => {
  const file = new URL('../fixtures/nip53-real-events.json', import.meta.url)
  const events = eventsIn(JSON.parse(readFileSync(file, 'utf8'))).filter(
    ({ kind }) => kind === kinds.LiveStream,
  )
  assert.ok(events.length > 0)
  for (const event of events) assert.ok(streamBook(self).add(event))
})

/** Every object with an id and a sig, however the fixture is laid out. */
function eventsIn(value: unknown): NostrEvent[] {
  if (typeof value !== 'object' || value === null) return []
  if ('sig' in value && 'kind' in value) return [value as NostrEvent]
  return Object.values(value).flatMap(eventsIn)
}

test.run()
