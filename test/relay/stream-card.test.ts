/** What a pasted link shows: Open Graph and Twitter's names in the head of a stream's page. */
import fc from 'fast-check'
import * as nip19 from 'nostr-tools/nip19'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { manage } from '../../client/api.ts'
import { LocalSigner } from '../../client/local-signer.ts'
import { kinds } from '../../events/index.ts'
import { streams } from '../../plugins/live-stream/stream.ts'
import management from '../../plugins/management/index.ts'
import playback from '../../plugins/playback/index.ts'
import { definePolicy } from '../../plugins/plugin.ts'
import { withCard } from '../../relay/stream-card.ts'
import { connect, type Person, person, startRelay, type TestRelay } from '../harness.ts'
import { liveStream } from '../payments/bench.ts'
import { unsigned } from './naive.ts'

const PAGE =
  '<html><head><meta name="description" content="plain" /><title>Sluice</title></head><body></body></html>'
const HOSTILE = [
  '"><script>alert(1)</script>',
  "' onload='x",
  '</title><script src=x>',
  '</head><body onload=x>',
  '&quot;><img src=x onerror=x>',
  "$& $` $' $1",
]
const origin = 'https://relay.example'
const url = `${origin}/watch/naddr1x`

/** The page's tags, with what hosts wrote taken out. */
const skeleton = (html: string): string =>
  html.replace(/ content="[^"<>]*"/g, '').replace(/<title>[^<>]*<\/title>/, '<title></title>')

const unescaped = (text: string): string =>
  text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&')

const meta = (html: string, key: string): string | undefined => {
  const found = new RegExp(`<meta (?:property|name)="${key}" content="([^"]*)"`).exec(html)?.[1]
  return found === undefined ? undefined : unescaped(found)
}

const test = suite('cards of streams')

test('whatever a host writes stays inside its attribute, and reads as it was written', () => {
  const text = fc.oneof(
    fc.string({ minLength: 1 }),
    fc.string({ unit: fc.constantFrom('"', "'", '<', '>', '&', '$', '`', '/', 'a'), minLength: 1 }),
    fc.constantFrom(...HOSTILE),
  )
  const plain = skeleton(withCard(PAGE, { title: 'a', description: 'a', url, image: 'a' }, 'a'))
  fc.assert(
    fc.property(text, text, text, text, (title, description, image, site) => {
      const html = withCard(PAGE, { title, description, url, image }, site)
      assert.is(skeleton(html), plain)
      assert.equal(
        ['og:title', 'og:description', 'og:image', 'og:site_name', 'twitter:title'].map(key =>
          meta(html, key),
        ),
        [title, description, image, site, title],
      )
    }),
    { numRuns: 200 },
  )
})

const pathOf = (who: Person, identifier: string): string =>
  `/watch/${nip19.naddrEncode({ kind: kinds.LiveStream, pubkey: who.pubkey, identifier })}`

/** A page's HTML; `ip` is what the proxy says of who asks. */
async function pageOf(relay: TestRelay, path: string, ip = '192.0.2.1') {
  const headers = { 'x-forwarded-for': ip }
  const response = await fetch(relay.http + path, { headers })
  return { html: await response.text(), csp: response.headers.get('content-security-policy') }
}

async function announce(relay: TestRelay, who: Person, d: string, ...tags: string[][]) {
  const client = await connect(relay.url)
  const event = who.sign({ kind: kinds.LiveStream, tags: [['d', d], ['status', 'live'], ...tags] })
  assert.equal(await client.publish(event), [true, ''])
  client.close()
  return pathOf(who, d)
}

test('the page of a stream tells its title, summary, host and picture', async () => {
  const relay = await startRelay({ plugins: [], set: ['relay.info.name=Jazz & co'] })
  const [host, nameless] = [person(), person()]
  await relay.relay.store.putEvent(
    host.sign({ kind: kinds.Profile, content: JSON.stringify({ name: 'Miles "M" Davis' }) }),
  )
  const path = await announce(
    relay,
    host,
    'one',
    ['title', HOSTILE[0] ?? ''],
    ['summary', 'first line\nsecond\u202e line'],
    ['image', 'https://pictures.example/a.jpg?x=1&y="2'],
  )
  const { html, csp } = await pageOf(relay, path)
  const plain = await pageOf(relay, pathOf(host, 'unknown'))
  assert.is(meta(html, 'og:title'), HOSTILE[0])
  assert.is(meta(html, 'og:description'), 'Miles "M" Davis: first line second line')
  assert.is(meta(html, 'og:image'), 'https://pictures.example/a.jpg?x=1&y=%222')
  assert.is(meta(html, 'og:url'), relay.http + path)
  assert.is(meta(html, 'og:site_name'), 'Jazz & co')
  assert.is(meta(html, 'twitter:card'), 'summary_large_image')
  assert.match(html, /<title>&quot;&gt;&lt;script&gt;alert\(1\)&lt;\/script&gt; · Jazz &amp; co</)
  assert.is(html.split('<script').length, plain.html.split('<script').length)
  assert.is(html.split('name="description"').length, 2)
  assert.is(csp, plain.csp)
  assert.match(html, 'application/json+oembed')
  assert.not(plain.html.includes('og:'))
  assert.is((await pageOf(relay, `${path}/`)).html, html)

  const noPictures = [
    'javascript:alert(1)',
    'data:image/png;base64,AAAA',
    '//elsewhere.example/a.jpg',
    '/a.jpg',
    'ftp://elsewhere.example/a.jpg',
    'https://',
    `https://long.example/${'x'.repeat(2048)}`,
  ]
  for (const [i, image] of noPictures.entries()) {
    const tags = [
      ['d', 'p'],
      ['image', image],
    ]
    const event = nameless.sign({ kind: kinds.LiveStream, tags, created_at: 1_700_000_000 + i })
    await relay.relay.store.putEvent(event)
    const shown = (await pageOf(relay, pathOf(nameless, 'p'))).html
    assert.is(meta(shown, 'og:image'), undefined, image.slice(0, 40))
    assert.is(meta(shown, 'twitter:card'), 'summary')
    assert.is(meta(shown, 'og:title'), 'A live stream')
  }

  // Where the host has no picture the relay's own stands.
  const { self } = relay.relay
  const address = `${kinds.LiveStream}:${nameless.pubkey}:p`
  const companion = [
    ['d', 'c'],
    ['a', address],
    ['image', `${relay.http}/p/c/thumbnail.jpg`],
  ]
  await relay.relay.store.putEvent(
    unsigned({ kind: kinds.LiveStream, pubkey: self, tags: companion }),
  )
  const shown = (await pageOf(relay, pathOf(nameless, 'p'))).html
  assert.is(meta(shown, 'og:image'), `${relay.http}/p/c/thumbnail.jpg`)
  await relay.stop()
})

test('what its reader may not see looks like what is not here', async () => {
  const [admin, host, hidden] = [person(), person(), person()]
  /** Hides one host's events from everybody, as a policy of the operator's might. */
  const hides = definePolicy({
    name: 'hides',
    options: z.object({}),
    create: () => ({ name: 'hides', visible: event => event.pubkey !== hidden.pubkey }),
  })
  const set = ['relay.realIpHeader=x-forwarded-for', `management.admins=["${admin.pubkey}"]`]
  const relay = await startRelay({ plugins: [management, hides, playback], set })
  const open = await announce(relay, host, 'show', ['title', 'Open to all'])
  const secret = await announce(relay, hidden, 'show', ['title', 'Not for you'])
  assert.match((await pageOf(relay, open)).html, 'Open to all')
  const { store } = relay.relay
  for (const { pubkey } of [host, hidden]) {
    const stream = liveStream(pubkey, { amount: 1n, unit: 'second' })
    await store.transaction(tx => streams.put(tx, stream.address, stream))
  }
  const oembed = async (path: string) =>
    (await fetch(`${relay.http}/oembed?url=${encodeURIComponent(relay.http + path)}`)).status
  assert.equal(await Promise.all([open, secret].map(oembed)), [200, 404])
  const unknown = pathOf(hidden, 'nothing')
  const same = async (path: string, ip?: string) => {
    const naddr = (at: string) => new RegExp(at.slice('/watch/'.length), 'g')
    const { html } = await pageOf(relay, path, ip)
    const plain = await pageOf(relay, unknown, ip)
    assert.is(html.replace(naddr(path), ''), plain.html.replace(naddr(unknown), ''))
  }
  await same(secret)
  // Whose address is kept out reads nothing here either.
  const signer = new LocalSigner(Buffer.from(admin.secret).toString('hex'))
  await manage(relay.http, signer, 'blockip', ['192.0.2.66'])
  await same(open, '192.0.2.66')
  assert.match((await pageOf(relay, open)).html, 'Open to all')
  await relay.stop()

  // A relay that shows announcements to who has authenticated alone.
  const members = await startRelay({
    plugins: [],
    set: [
      'relay.auth.restrictedReadKinds="30311"',
      'relay.auth.restrictReadToInvolvedPubkey=false',
    ],
  })
  const path = await announce(members, host, 'secret', ['title', 'For members'])
  assert.not((await pageOf(members, path)).html.includes('og:'))
  await members.stop()
})

test.run()
