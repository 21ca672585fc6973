/** The way from the provider's media to a viewer: nothing but the provider's, nothing of its addresses told. */
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isAllowed, isInner } from '../../plugins/live-stream/livepeer/gateway/addresses.ts'
import { fetchCache } from '../../plugins/live-stream/livepeer/gateway/cache.ts'
import { ProxiedStream } from '../../plugins/live-stream/livepeer/gateway/proxied.ts'
import { rewritePlaylist } from '../../plugins/live-stream/livepeer/gateway/rewrite.ts'
import { upstream } from '../../plugins/live-stream/livepeer/gateway/upstream.ts'
import { isMediaPath } from '../../plugins/playback/path.ts'

const base = 'https://cdn.example/hls/abc/index.m3u8?token=secret'

test('every address in a playlist is renamed, and every tag stays', () => {
  const named: string[] = []
  const nameOf = (url: string, kind: string) => {
    named.push(`${kind} ${url}`)
    return `n${named.length}`
  }
  const lines = [
    '#EXTM3U',
    '#EXT-X-VERSION:7',
    '#EXT-X-UNHEARD-OF:A="x,URI=1",B=2',
    '#EXT-X-KEY:METHOD=AES-128,URI="key?k=1",IV=0x01',
    '#EXT-X-MAP:URI="/init.mp4",BYTERANGE="100@0"',
    '#EXT-X-PART:DURATION=0.3,URI="p.m4s",INDEPENDENT=YES',
    '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="//other.example/p2.m4s"',
    '#EXT-X-RENDITION-REPORT:URI="../480p/i.m3u8?_HLS_msn=4&a=b",LAST-MSN=4',
    '#EXT-X-SESSION-DATA:DATA-ID="x",URI="d.json"',
    '#EXT-X-DATERANGE:ID="a",X-ASSET-URI="https://ads.example/a.m3u8",X-ASSET-LIST="l.json"',
    '#EXT-X-CONTENT-STEERING:SERVER-URI="/steer?v=1",PATHWAY-ID="A"',
    '#EXT-X-KEY:METHOD=AES-128,URI="data:text/plain;base64,AA=="',
    '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://fairplay"',
    '# a comment with URI="stays.ts"',
    '#EXTINF:2.000,',
    'seg 1.ts',
    '',
    '#EXTINF:2.000,',
    'https://cdn.example/2.ts#frag\r',
  ]
  const text = rewritePlaylist(lines.join('\n'), base, nameOf)
  assert.equal(named, [
    'media https://cdn.example/hls/abc/key?k=1',
    'media https://cdn.example/init.mp4',
    'media https://cdn.example/hls/abc/p.m4s',
    'media https://other.example/p2.m4s',
    'playlist https://cdn.example/hls/480p/i.m3u8?a=b',
    'media https://cdn.example/hls/abc/d.json',
    'media https://ads.example/a.m3u8',
    'media https://cdn.example/hls/abc/l.json',
    'media https://cdn.example/steer?v=1',
    'media https://cdn.example/hls/abc/seg%201.ts',
    'media https://cdn.example/2.ts#frag',
  ])
  const out = text.split('\n')
  assert.is(out.length, lines.length)
  assert.is(out[2], lines[2])
  assert.is(out[4], '#EXT-X-MAP:URI="n2",BYTERANGE="100@0"')
  assert.is(out[9], '#EXT-X-DATERANGE:ID="a",X-ASSET-URI="n7",X-ASSET-LIST="n8"')
  assert.is(out[11], lines[11])
  assert.is(out[12], '#EXT-X-KEY:METHOD=SAMPLE-AES,URI=""')
  assert.is(out[13], lines[13])
})

test('in a master playlist the lines are playlists', () => {
  const kinds: string[] = []
  const master = [
    '#EXTM3U',
    '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="en",URI="a.m3u8"',
    '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="i.m3u8"',
    '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"',
    'v.m3u8',
  ]
  rewritePlaylist(master.join('\n'), base, (_, kind) => {
    kinds.push(kind)
    return 'x'
  })
  assert.equal(kinds, ['playlist', 'playlist', 'playlist'])
})

test('whatever a playlist holds, no address of it gets through', () => {
  const uri = fc.oneof(
    fc.webUrl({ withQueryParameters: true, withFragments: true }),
    fc.constantFrom('//evil.example/x.ts', 'a.ts', '../../x', 'http:/x', 'HTTP://EVIL.example/y'),
  )
  const line = fc.oneof(
    uri,
    uri.map(one => `#EXT-X-MAP:URI="${one}"`),
    uri.map(one => `#EXT-X-NEW:SOME-URI="${one}",N=1`),
    fc.constantFrom('#EXTINF:2,', '#EXT-X-STREAM-INF:BANDWIDTH=1', '', '#EXT-X-ENDLIST'),
  )
  fc.assert(
    fc.property(fc.array(line), lines => {
      const text = rewritePlaylist(['#EXTM3U', ...lines].join('\n'), base, () => 'name.ts')
      assert.not.match(text, /https?:|\/\//i)
    }),
  )
})

test('inner addresses are known in every dress, outer ones are not taken for them', () => {
  for (const address of [
    '127.0.0.1',
    '10.1.2.3',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    '::ffff:127.0.0.1',
    '::ffff:a00:1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    'no address',
  ])
    assert.ok(isInner(address), address)
  for (const address of ['1.1.1.1', '172.32.0.1', '100.128.0.1', '2606:4700::1', '::ffff:8.8.8.8'])
    assert.not(isInner(address), address)
  const hosts = ['livepeer.example', '*.cdn.example']
  for (const host of ['livepeer.example', 'a.cdn.example', 'b.a.cdn.example'])
    assert.ok(isAllowed(host, hosts), host)
  for (const host of [
    'cdn.example',
    'evilcdn.example',
    'livepeer.example.evil',
    'x.livepeer.example',
  ])
    assert.not(isAllowed(host, hosts), host)
})

async function listening(listener: RequestListener) {
  const server = createServer(listener)
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  const close = async () => {
    server.closeAllConnections()
    await new Promise(closed => server.close(closed))
  }
  return { url: `http://127.0.0.1:${port}`, port, close }
}
const refused = (work: Promise<unknown>): Promise<string> => work.then(() => 'came through', String)

test('only the provider is asked: other hosts, inner addresses and redirects elsewhere are refused', async () => {
  let asked = 0
  const server = await listening((request, response) => {
    asked += 1
    const to = new URL(request.url ?? '', 'http://x').searchParams.get('to')
    if (to) response.writeHead(302, { location: to }).end()
    else response.end('secret')
  })
  const limits = { maxBytes: 1000 }
  // A provider out there: nothing in here is its.
  const outer = await upstream({
    serverUrl: 'http://livepeer.invalid/api',
    playbackHosts: ['localhost', '127.0.0.1'],
    timeoutMs: 2000,
  })
  assert.match(await refused(outer.get(`${server.url}/`, limits)), /not an address outside/)
  const rebound = `http://localhost:${server.port}/`
  assert.match(await refused(outer.get(rebound, limits)), /localhost is not an address outside/)
  assert.match(await refused(outer.get('http://[::1]:80/', limits)), /not the media provider's/)
  assert.match(await refused(outer.get('http://2130706433/', limits)), /not an address outside/)
  assert.match(await refused(outer.get('http://other.example/', limits)), /not the media provider/)
  assert.is(asked, 0, 'no connection was made')
  outer.close()

  // A provider on this machine: itself, and nobody besides.
  const own = await upstream({ serverUrl: server.url, playbackHosts: [], timeoutMs: 2000 })
  const got = await own.get(`${server.url}/?to=/plain`, limits)
  assert.is(got.body.toString(), 'secret')
  assert.is(got.url, `${server.url}/plain`)
  for (const to of [
    rebound,
    'http://169.254.169.254/',
    'file:///etc/passwd',
    'http://a@127.0.0.1/',
  ])
    assert.match(
      await refused(own.get(`${server.url}/?to=${to}`, limits)),
      /not the media provider/,
    )
  const loop = `${server.url}/?to=${encodeURIComponent('/?to=/')}`
  assert.is((await own.get(loop, limits)).status, 200)
  own.close()

  const secure = await upstream({
    serverUrl: `https://127.0.0.1:${server.port}`,
    playbackHosts: [],
    timeoutMs: 2000,
  })
  assert.match(
    await refused(secure.get(server.url, limits)),
    /not the media provider/,
    'no way down',
  )
  secure.close()
  await server.close()
})

test('what is too large, cut short, endless or silent does not come through', async () => {
  const server = await listening((request, response) => {
    if (request.url === '/large') response.end(Buffer.alloc(2000))
    else if (request.url === '/short')
      response.writeHead(200, { 'content-length': 500 }).write('x', () => response.destroy())
    else if (request.url === '/endless') response.writeHead(302, { location: '/endless' }).end()
  })
  const own = await upstream({ serverUrl: server.url, playbackHosts: [], timeoutMs: 500 })
  const get = (path: string) => refused(own.get(server.url + path, { maxBytes: 1000 }))
  assert.match(await get('/large'), /larger than 1000 bytes/)
  assert.match(await get('/short'), /aborted|cut short|hang up|ECONNRESET/)
  assert.match(await get('/endless'), /redirects without end/)
  assert.match(await get('/silent'), /abort|timeout/i)
  own.close()
  await server.close()
})

test('many viewers cost one fetch; a failure is not remembered; the oldest makes room', async () => {
  const cached = fetchCache(10)
  let loads = 0
  const load = (size: number) => async () => {
    loads += 1
    await new Promise(resolve => setTimeout(resolve, 5))
    return Buffer.alloc(size)
  }
  await Promise.all(Array.from({ length: 20 }, () => cached('a', load(4))))
  assert.is(loads, 1)
  const failing = () => Promise.reject(new Error('no'))
  assert.match(await refused(cached('b', failing)), /no/)
  assert.is((await cached('b', load(4)))?.length, 4)
  await cached('a', load(4))
  await cached('c', load(4))
  assert.is(loads, 3)
  await cached('b', load(4))
  assert.is(loads, 4, 'b was used least lately')
  await cached('large', load(11))
  await cached('large', load(11))
  assert.is(loads, 6)
})

/** A provider's HLS of one rendition that grows by a segment of two seconds at a time. */
async function growing() {
  let segments = 3
  const requests: string[] = []
  const server = await listening((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://x')
    requests.push(pathname)
    if (searchParams.get('jwt') !== 'open') return void response.writeHead(403).end()
    if (pathname === '/index.m3u8')
      return void response.end(
        '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=640x360\nlow/i.m3u8\n' +
          '#EXT-X-STREAM-INF:BANDWIDTH=2,RESOLUTION=1280x720\nhigh/i.m3u8\n',
      )
    if (pathname.endsWith('.m3u8')) {
      const list = Array.from({ length: segments }, (_, i) => `#EXTINF:2,\n${i}.ts?s=1`)
      return void response.end(`#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n${list.join('\n')}\n`)
    }
    response.end(`bytes of ${pathname}`)
  })
  const media = await upstream({ serverUrl: server.url, playbackHosts: [], timeoutMs: 2000 })
  let nowMs = 1_000_000
  const make = () =>
    new ProxiedStream({
      upstream: media,
      cache: fetchCache(1000),
      now: () => nowMs,
      entry: async () => `${server.url}/index.m3u8`,
      unlock: url => `${url}${url.includes('?') ? '&' : '?'}jwt=open`,
    })
  return {
    requests,
    make,
    grow: () => {
      segments += 1
    },
    pass: (ms: number) => {
      nowMs += ms
    },
    async close() {
      media.close()
      await server.close()
    },
  }
}
const text = async (stream: ProxiedStream, path: string): Promise<string> => {
  const file = await stream.fetch(path)
  return file?.type === 'playlist' ? file.text : ''
}
const uris = (playlist: string) => playlist.split('\n').filter(one => one && !one.startsWith('#'))

test('a stream is served under names of ours, each segment with its end, each fetched once', async () => {
  const there = await growing()
  const stream = there.make()
  assert.is(await stream.advanced(), true)
  assert.is(await stream.advanced(), false)
  assert.equal(stream.qualities, ['720p', '360p'])
  const [low = ''] = uris(await text(stream, 'master.m3u8'))
  const segments = uris(await text(stream, low))
  for (const name of [low, ...segments]) assert.ok(isMediaPath(name), name)
  const ends = async (names: string[]) =>
    Promise.all(
      names.map(async name => {
        const file = await stream.fetch(name)
        return file?.type === 'segment' ? file.endMs : undefined
      }),
    )
  assert.equal(await ends(segments), [996_000, 998_000, 1_000_000])
  there.pass(2000)
  there.grow()
  assert.is(await stream.advanced(), true)
  const more = uris(await text(stream, low))
  assert.equal(more.slice(0, 3), segments, 'names stay')
  assert.equal(await ends(more), [996_000, 998_000, 1_000_000, 1_002_000])
  await Promise.all(Array.from({ length: 20 }, () => stream.fetch(more[3] ?? '')))
  assert.is(there.requests.filter(path => path.endsWith('/3.ts')).length, 1)
  await there.close()
})

test('names that no playlist gave lead nowhere; known ones work again after a restart', async () => {
  const there = await growing()
  const before = there.make()
  const [low = ''] = uris(await text(before, 'master.m3u8'))
  const [segment = ''] = uris(await text(before, low))
  const after = there.make()
  assert.is((await after.fetch(segment))?.type, 'segment')
  assert.is(await after.fetch(`${'0'.repeat(24)}.ts`), undefined)
  assert.is(await after.fetch('index.m3u8'), undefined)
  await there.close()
})

test.run()
