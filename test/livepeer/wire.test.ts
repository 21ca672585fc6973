/** The provider's own wire, as its SDK and its real media meet it: what the other suites here stand on. */
import { createHmac } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Livepeer } from 'livepeer'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeVideo } from '../media/decode.ts'
import { startPublisher } from '../media/publisher.ts'
import { type LivepeerServer, startLivepeer } from './server.ts'

const test = suite<{ server: LivepeerServer; sdk: Livepeer }>("the provider's wire")
const profile = { name: '480p', width: 854, height: 480, bitrate: 1_000_000, fps: 0 }

test.before(async context => {
  context.server = await startLivepeer({ firstRetryMs: 50 })
  const { url: serverURL, apiKey } = context.server
  context.sdk = new Livepeer({ apiKey, serverURL })
})
test.after(({ server }) => server.close())

test('the SDK creates, reads, changes and deletes a stream', async ({ sdk, server }) => {
  const made = await sdk.stream.create({ name: 'one', profiles: [profile], userTags: { a: 'b' } })
  const id = made.stream?.id ?? ''
  assert.match(made.stream?.streamKey ?? '', /^[0-9a-f]{4}(-[0-9a-f]{4}){3}$/)
  assert.is(made.stream?.isActive, false)
  await sdk.stream.update({ suspended: true }, id)
  const read = await sdk.stream.get(id)
  assert.is(read.stream?.suspended, true)
  const { data } = await sdk.stream.getAll()
  assert.equal(
    data?.map(stream => stream.name),
    ['one'],
  )
  await sdk.stream.delete(id)
  assert.is(server.streams().length, 0)
  const gone = await sdk.stream.get(id).then(
    () => 0,
    error => error.statusCode,
  )
  assert.is(gone, 404)
})

test('unknown properties, small profiles and a wrong key are refused in words', async ({
  server,
}) => {
  const post = async (body: object, key: string = server.apiKey) => {
    const response = await fetch(`${server.url}/stream`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    const { errors } = (await response.json()) as { errors: string[] }
    assert.type(errors[0], 'string')
    return response.status
  }
  assert.is(await post({ name: 'x', colour: 'red' }), 422)
  assert.is(await post({ name: 'x', profiles: [{ ...profile, width: 127 }] }), 422)
  assert.is(await post({ name: 'x' }, 'wrong'), 401)
})

test('lists come by twenty, with a link to the next', async ({ sdk, server }) => {
  const ids: string[] = []
  for (let i = 0; i < 21; i++)
    ids.push((await sdk.stream.create({ name: `many ${i}` })).stream?.id ?? '')
  const headers = { authorization: `Bearer ${server.apiKey}` }
  const first = await fetch(`${server.url}/stream`, { headers })
  assert.is(((await first.json()) as object[]).length, 20)
  const next = /^<([^>]+)>; rel="next"$/.exec(first.headers.get('link') ?? '')?.[1]
  const second = await fetch(next ?? '', { headers })
  assert.is(((await second.json()) as object[]).length, 1)
  for (const id of ids) await sdk.stream.delete(id)
})

test('media in is media out, with signed webhooks until they are taken', async ({
  sdk,
  server,
}) => {
  const heard: { body: string; signature: string }[] = []
  const listener = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    heard.push({ body, signature: String(request.headers['livepeer-signature']) })
    response.writeHead(heard.length === 1 ? 503 : 204).end()
  })
  await new Promise<void>(listening => listener.listen(0, '127.0.0.1', listening))
  const { port } = listener.address() as AddressInfo
  server.hookTo(`http://127.0.0.1:${port}/`)
  const { stream } = await sdk.stream.create({ name: 'live', record: true })
  const publisher = startPublisher({ url: `${server.rtmpUrl}/${stream?.streamKey}` })
  try {
    const info = (await sdk.playback.get(stream?.playbackId ?? '')).playbackInfo
    const url = info?.meta.source[0]?.url ?? ''
    await until(async () => (await fetch(url)).status === 200)
    const master = await fetch(url)
    assert.ok(master.redirected, 'the entrance sends on to a node')
    const variant = (await master.text()).split('\n').find(line => line.endsWith('.m3u8')) ?? ''
    const playlist = await fetch(new URL(variant, master.url))
    const segment = (await playlist.text()).split('\n').find(line => line.endsWith('.ts')) ?? ''
    const media = await fetch(new URL(segment, playlist.url))
    const { frames, width } = await decodeVideo(new Uint8Array(await media.arrayBuffer()))
    assert.ok(frames >= 30 && width === 640, `${frames} frames, ${width} wide`)
    await publisher.stop()
    await until(async () => heard.some(({ body }) => body.includes('"recording.ready"')))
    const events = heard.map(({ body }) => JSON.parse(body))
    assert.is(events[0].id, events.find((e, i) => i > 0 && e.event === events[0].event)?.id)
    for (const { body, signature } of heard) {
      const [, t, v1] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(signature) ?? []
      assert.is(Number(t), JSON.parse(body).timestamp)
      assert.is(v1, createHmac('sha256', server.webhookSecret).update(body).digest('hex'))
      assert.not(body.includes(stream?.streamKey ?? '-'), 'a webhook has no stream key')
    }
    const { payload } = events.find(event => event.event === 'recording.ready')
    const recording = await fetch(new URL(payload.recordingUrl, server.base))
    assert.match(await recording.text(), /#EXT-X-ENDLIST/)
  } finally {
    await publisher.kill()
    await new Promise(closed => listener.close(closed))
  }
})

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 300; i++) {
    if (await holds()) return
    await sleep(100)
  }
  throw new Error('it did not come to hold within 30 s')
}

test.run()
