/** From an announcement to its recording in the hands of who may have it, over the real relay. */

import type { Event } from 'nostr-tools'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { z } from 'zod'
import { allRecordingsShape, recordingsShape } from '../../plugins/live-stream/api/shapes.ts'
import { startRelay, type TestRelay } from '../harness.ts'
import { decodeVideo } from '../media/decode.ts'
import { recordTags, replay } from '../media/local.ts'
import { announce, type HostGrant, Person, tag } from './independent.ts'

const test = suite<{ relay: TestRelay; host: Person; other: Person }>('recordings')
const media = await recordTags(3)

test.before(async context => {
  const set = ['record=true', 'recordKeepFreeMb=0', 'transcode=false', 'thumbnails=all']
  context.relay = await startRelay({
    set: [
      ...set.map(one => `liveStream.local.${one}`),
      'liveStream.ghostSeconds=1',
      'liveStream.companionWaitMs=0',
    ],
  })
  context.host = await Person.connect(context.relay.url)
  context.other = await Person.connect(context.relay.url)
})
test.after(async ({ relay, host, other }) => {
  host?.close()
  other?.close()
  await relay?.stop()
})

/** Announces a stream, sends its media, and stops; gives the companion when the stream has ended. */
async function broadcast(host: Person, d: string, amount: string) {
  const { address, grant } = await announce(host, d, [amount, 'second', 'CREDIT'])
  await push(grant, () => companion(host, address, 'live'))
  const ended = await companion(host, address, 'ended')
  return { address, ended, id: tag(ended, 'd') ?? '' }
}

async function push({ ingest }: HostGrant, stayed: () => Promise<unknown>): Promise<void> {
  const rtmpPort = Number(new URL(ingest.rtmp.server.replace('rtmp:', 'http:')).port)
  await replay({ rtmpPort }, media, stayed, ingest.rtmp.key)
}

const companion = (host: Person, address: string, status: string, fits = (_: Event) => true) =>
  host.next(
    { kinds: [30311], '#a': [address] },
    event => tag(event, 'status') === status && fits(event),
  )

function signed(who: Person, url: string, method = 'GET'): Promise<Response> {
  const event = who.sign({
    kind: 27235,
    tags: [
      ['u', url],
      ['method', method],
    ],
    content: '',
  })
  return fetch(url, { method, headers: { authorization: `Nostr ${btoa(JSON.stringify(event))}` } })
}

test('a free stream’s recording is announced with a picture, plays for everybody, and goes when its host says so', async ({
  relay,
  host,
}) => {
  const { address, id } = await broadcast(host, 'free', '0')
  const event = await companion(host, address, 'ended', one => tag(one, 'recording') !== undefined)
  const url = tag(event, 'recording') ?? ''
  assert.match(url, new RegExp(`^${relay.http}/p/${id}/rec\\d{13}/index.m3u8$`))

  // 1. HLS: everything that the playlist names, and the picture.
  const playlist = await (await fetch(url)).text()
  assert.match(playlist, /#EXT-X-ENDLIST/)
  const files = [...playlist.matchAll(/URI="(.+)"|^(\d+\.m4s)$/gm)].map(([, a, b]) => a ?? b ?? '')
  const bytes = []
  for (const file of files) {
    const answer = await fetch(new URL(file, url))
    assert.is(answer.status, 200, file)
    bytes.push(Buffer.from(await answer.arrayBuffer()))
  }
  assert.is((await decodeVideo(Buffer.concat(bytes))).frames, 90)
  const picture = await fetch(tag(event, 'image') ?? '')
  assert.is(picture.headers.get('content-type'), 'image/jpeg')
  assert.ok((await picture.arrayBuffer()).byteLength > 1000)

  // 2. MP4, whole and in pieces, as players and downloads ask for it.
  const mp4 = url.replace('index.m3u8', 'recording.mp4')
  const whole = Buffer.from(await (await fetch(mp4)).arrayBuffer())
  assert.is((await decodeVideo(whole)).frames, 90)
  const piece = await fetch(mp4, { headers: { range: 'bytes=100-299' } })
  assert.is(piece.status, 206)
  assert.is(piece.headers.get('content-range'), `bytes 100-299/${whole.length}`)
  assert.ok(Buffer.from(await piece.arrayBuffer()).equals(whole.subarray(100, 300)))
  const tail = await fetch(mp4, { headers: { range: 'bytes=-50' } })
  assert.ok(Buffer.from(await tail.arrayBuffer()).equals(whole.subarray(-50)))
  assert.is((await fetch(mp4, { headers: { range: `bytes=${whole.length}-` } })).status, 416)
  const head = await fetch(mp4, { method: 'HEAD' })
  assert.is(Number(head.headers.get('content-length')), whole.length)

  // 3. What is not there is not there.
  for (const path of [
    'rec1700000000000/index.m3u8',
    `${url.split('/').at(-2)}/999.m4s`,
    'recording.json',
  ])
    assert.is((await fetch(`${relay.http}/p/${id}/${path}`)).status, 404, path)

  // 4. Its host deletes it: the companion names it no more.
  const name = url.split('/').at(-2)
  const gone = await signed(host, `${relay.http}/api/v1/streams/${id}/recordings/${name}`, 'DELETE')
  assert.is(gone.status, 200)
  await companion(host, address, 'ended', one => tag(one, 'recording') === undefined)
  assert.is((await fetch(url)).status, 404)
})

test('a paid stream’s recording is its host’s alone', async ({ relay, host, other }) => {
  const { id, ended } = await broadcast(host, 'paid', '50')
  assert.is(tag(ended, 'recording'), undefined)
  const list = `${relay.http}/api/v1/streams/${id}/recordings`
  let found: z.output<typeof recordingsShape>['recordings'] = []
  for (let i = 0; i < 100 && found.length === 0; i++) {
    const answer = await signed(host, list)
    assert.is(answer.status, 200)
    found = recordingsShape.parse(await answer.json()).recordings
  }
  const [mine] = found
  assert.ok(mine?.hostOnly)
  assert.ok(mine && Math.abs(mine.seconds - 3) < 0.2)

  // Among all of the host's, by one signature; nobody else's are there, and none without one.
  const all = async (who: Person) =>
    allRecordingsShape.parse(await (await signed(who, `${relay.http}/api/v1/recordings`)).json())
      .recordings
  assert.equal(
    (await all(host)).map(({ name, seconds }) => [name, seconds]),
    [[mine?.name, mine?.seconds]],
  )
  assert.is((await fetch((await all(host))[0]?.url ?? '')).status, 200)
  assert.equal(await all(other), [])
  assert.is((await fetch(`${relay.http}/api/v1/recordings`)).status, 401)

  // Not by the public address, not by another's signature, and not by none.
  const open = await fetch(`${relay.http}/p/${id}/${mine?.name}/index.m3u8`)
  assert.is(open.status, 403)
  assert.match(await open.text(), /for the host of the stream alone/)
  assert.is((await fetch(list)).status, 401)
  assert.is((await signed(other, list)).status, 404)
  assert.is((await signed(other, `${list}/${mine?.name}`, 'DELETE')).status, 404)

  // By the address in the host's list; that opens nothing else.
  assert.is((await fetch(mine?.url ?? '')).status, 200)
  const mp4 = Buffer.from(await (await fetch(mine?.mp4[0] ?? '')).arrayBuffer())
  assert.is((await decodeVideo(mp4)).frames, 90)
  const ticket = mine?.url.split('/').at(-3)
  assert.is((await fetch(`${relay.http}/p/${ticket}/rec1700000000000/index.m3u8`)).status, 404)
  assert.is((await fetch(`${relay.http}/p/${ticket}/master.m3u8`)).status, 404)
  const forged = `${ticket?.slice(0, -4)}AAAA`
  assert.is((await fetch(`${relay.http}/p/${forged}/${mine?.name}/index.m3u8`)).status, 401)

  const said = await host.next({ kinds: [30311], '#d': [id] })
  assert.is(tag(said, 'recording'), undefined)
})

test.run()
