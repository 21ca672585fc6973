import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { kinds, type NostrEvent, parseAnnouncement, parseChatMessage } from '../../events/index.ts'

const fixtures = JSON.parse(
  readFileSync(new URL('../fixtures/nip53-real-events.json', import.meta.url), 'utf8'),
) as { source: string; event: NostrEvent }[]

const host = 'a'.repeat(64)
const announcement = (...tags: string[][]): NostrEvent => ({
  id: '0'.repeat(64),
  pubkey: host,
  created_at: 1_700_000_000,
  kind: kinds.LiveStream,
  tags: [['d', 'show'], ...tags],
  content: '',
  sig: '0'.repeat(128),
})
const verdict = (...tags: string[][]): string => {
  const said = parseAnnouncement(announcement(...tags))
  return said.ok ? 'accepted' : said.msg
}
const accepts = (...tags: string[][]) => assert.is(verdict(...tags), 'accepted')
const refuses = (sentence: RegExp, ...tags: string[][]) => assert.match(verdict(...tags), sentence)

test('every real event from public repositories is accepted', () => {
  for (const { event, source } of fixtures) {
    const said = event.kind === 1311 ? parseChatMessage(event) : parseAnnouncement(event)
    assert.ok(said.ok, `${source}: ${said.ok ? '' : said.msg}`)
  }
  assert.ok(fixtures.length > 20)
})

test('variations seen in the wild are accepted', () => {
  accepts(['title', ''], ['summary', ''], ['image', ''])
  accepts(['p', host, '', 'HoSt', 'not-a-proof'], ['p', host, 'speaker'])
  accepts(['streaming', 'https://a.example/x.m3u8'], ['streaming', 'wss+livekit://a.example'])
  accepts(['streaming', ''], ['status', 'live'], ['ends', '1700000100'], ['starts', '1600000000'])
  accepts(['t', 'a tag with spaces'], ['goal', 'b'.repeat(64)], ['L', 'x'], ['content_warning', ''])
})

test('exactly one d', () => {
  refuses(/exactly one non-empty d/, ['d', 'second'])
  const { tags: _tags, ...rest } = announcement()
  assert.not(parseAnnouncement({ ...rest, tags: [] }).ok)
  assert.not(parseAnnouncement({ ...rest, tags: [['d', '']] }).ok)
})

test('one status of the three, or none', () => {
  for (const status of ['planned', 'live', 'ended']) accepts(['status', status])
  refuses(/none of planned, live, ended/, ['status', 'LIVE'])
  refuses(/none of planned, live, ended/, ['status'])
  refuses(/at most one status/, ['status', 'live'], ['status', 'live'])
})

test('times and counts are digits', () => {
  accepts(
    ['starts', '99999999999'],
    ['current_participants', '0'],
    ['total_participants', '9999999999'],
  )
  refuses(/starts/, ['starts', '999999999999'])
  refuses(/ends/, ['ends', '-1'])
  refuses(/starts/, ['starts', '2025-01-01'])
  refuses(/count/, ['current_participants', '12345678901'])
})

test('a thousand participants and no more, each 64 lowercase hex', () => {
  const p = ['p', host]
  accepts(...Array.from({ length: 1000 }, () => p))
  refuses(/at most 1000/, ...Array.from({ length: 1001 }, () => p))
  refuses(/lowercase hex/, ['p', host.toUpperCase()])
  refuses(/lowercase hex/, ['pinned', 'abc'])
})

test('a streaming URL that no player should open is refused', () => {
  accepts(['streaming', `https://a.example/${'x'.repeat(2000)}`])
  refuses(/longer than 2048/, ['streaming', `https://a.example/${'x'.repeat(2048)}`])
  for (const url of ['javascript:alert(1)', 'DATA:text/html,x', 'file:///etc/passwd', 'blob:x'])
    refuses(/scheme/, ['streaming', url])
  refuses(/white space/, ['recording', 'https://a.example/a b'])
  refuses(/white space/, ['streaming', '\u0000https://a.example'])
})

test('a price says amount, unit and asset, or what is wrong with it', () => {
  accepts(['price', '10', 'second', 'CREDIT'])
  accepts(['price', '0', 'hour', 'CREDIT'])
  accepts(['price', '9223372036854775807', 'minute', 'CREDIT'])
  for (const amount of ['', '0x10', ' 12 ', '1.5', '-1', '01', '9223372036854775808', '1e3'])
    refuses(/amount/, ['price', amount, 'second', 'CREDIT'])
  refuses(/unit "day"/, ['price', '10', 'day', 'CREDIT'])
  refuses(/asset/, ['price', '10', 'second'])
  refuses(/at most one price/, ['price', '1', 'hour', 'A'], ['price', '1', 'hour', 'A'])
})

test('preview and chat rules are checked', () => {
  accepts(['free_preview', '3600'], ['chat', 'grant'])
  refuses(/free_preview/, ['free_preview', '3601'])
  refuses(/free_preview/, ['free_preview', '-5'])
  refuses(/chat/, ['chat', 'closed'])
})

test('the payee is the host, or left out', () => {
  accepts(['payee', host])
  refuses(/payee names the host itself/, ['payee', 'b'.repeat(64)])
  refuses(/payee/, ['payee', ''])
})

test('__proto__ in a tag is only a text', () => {
  accepts(['__proto__', 'x'], ['title', '__proto__'])
  assert.is(({} as Record<string, unknown>).x, undefined)
})

test.run()
