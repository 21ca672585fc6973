import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  kinds,
  type NostrEvent,
  parseAnnouncement,
  tagsNamed,
  tagValue,
} from '../../events/index.ts'
import { companionTemplate, neededCompanion } from '../../plugins/live-stream/companion.ts'
import {
  acceptsMedia,
  announced,
  archived,
  closedByHost,
  deletedByHost,
  ended,
  phaseOf,
  recorded,
  sawMedia,
  stopped,
  wentLive,
} from '../../plugins/live-stream/lifecycle.ts'
import { type LiveStream, streamClock } from '../../plugins/live-stream/stream.ts'

const host = 'a'.repeat(64)
const self = 'f'.repeat(64)

function announcement(status: string, ...tags: string[][]): NostrEvent {
  return {
    id: '1'.repeat(64),
    pubkey: host,
    created_at: 1_700_000_000,
    kind: kinds.LiveStream,
    tags: [['d', 'show'], ['title', 'Show'], ['status', status], ...tags],
    content: '',
    sig: '',
  }
}
function say(before: LiveStream | undefined, status: string, ours = false): LiveStream {
  const event = announcement(status)
  const said = parseAnnouncement(event)
  if (!said.ok) throw new Error(said.msg)
  return announced(before, event, said.value, ours)
}
const planned = say(undefined, 'planned')
const url = 'https://x.example/r.m3u8'

test('the clock runs only while media flows', () => {
  const live = wentLive(planned, 10_000)
  assert.is(live.status, 'live')
  assert.is(streamClock(planned, 99_000), 0)
  assert.is(streamClock(live, 15_000), 5_000)
  const idle = stopped(live, 15_000)
  assert.is(idle.status, 'reconnecting')
  assert.is(streamClock(idle, 99_000), 5_000)
  const again = wentLive(idle, 100_000)
  assert.is(streamClock(again, 101_000), 6_000)
})

test('twice the same media event is once', () => {
  const live = wentLive(planned, 10_000)
  assert.is(wentLive(live, 12_000), live)
  const idle = stopped(live, 15_000)
  assert.is(stopped(idle, 20_000), idle)
  const over = ended(idle, 80_000)
  assert.is(ended(over, 90_000), over)
})

test('an ended stream counts only media that was seen', () => {
  const live = sawMedia(wentLive(planned, 10_000), 14_000)
  const over = ended(live, 60_000)
  assert.is(over.status, 'ended')
  assert.is(streamClock(over, 99_000), 4_000)
})

test('a clock never runs backwards, whatever the times say', () => {
  const live = wentLive(planned, 10_000)
  assert.is(streamClock(live, 9_000), 0)
  assert.is(streamClock(stopped(live, 5_000), 99_000), 0)
})

test('a host that announces an ended stream anew starts it anew; the same words while live change nothing', () => {
  const live = wentLive(planned, 10_000)
  assert.is(say(live, 'planned').status, 'live')
  const over = ended(live, 20_000)
  assert.is(say(over, 'ended').status, 'ended')
  const again = say(over, 'planned')
  assert.is(again.status, 'planned')
  assert.is(again.endedAt, undefined)
  assert.is(again.liveMs, over.liveMs)
})

test('media is refused once the host has ended the stream, and only then', () => {
  assert.ok(acceptsMedia(planned))
  assert.ok(
    acceptsMedia(ended(wentLive(planned, 1), 2)),
    'a stream that the relay ended may come back',
  )
  assert.not(acceptsMedia(say(planned, 'ended')))
})

test('each phase of a life has its name', () => {
  const ready = { ...planned, keyHash: 'k' }
  const live = wentLive(ready, 10_000)
  const over = ended(live, 20_000)
  const phases: [LiveStream, string][] = [
    [planned, 'created'],
    [ready, 'planned'],
    [{ ...planned, newKey: true }, 'planned'],
    [live, 'live'],
    [stopped(live, 12_000), 'reconnecting'],
    [over, 'ended'],
    [recorded(over, { url }), 'recorded'],
    [recorded(live, { url }), 'live'],
    [archived(recorded(over, { url }), 30_000), 'archived'],
    [deletedByHost(live, 15_000), 'deleted'],
    [archived(deletedByHost(over, 25_000), 30_000), 'deleted'],
  ]
  for (const [stream, phase] of phases) assert.is(phaseOf(stream), phase)
})

test('stopped without an announcement it takes no media until it is started, or announced anew', () => {
  const closed = ended(closedByHost(wentLive(planned, 10_000), 11_000), 12_000)
  assert.not(acceptsMedia(closed))
  assert.is(neededCompanion(closed), 'ended', 'its host never said so itself')
  const open = closedByHost(closed, undefined)
  assert.ok(acceptsMedia(open))
  assert.is(open.status, 'planned')
  assert.ok(acceptsMedia(say(closed, 'live')))
  const both = closedByHost(say(closed, 'ended'), undefined)
  assert.not(acceptsMedia(both), 'what was announced holds')
})

test('deleted and archived streams take no media and announce nothing, until they are announced anew', () => {
  const over = recorded(ended(wentLive(planned, 10_000), 20_000), { url })
  const gone = deletedByHost(over, 30_000)
  assert.not(acceptsMedia(gone))
  assert.is(neededCompanion(gone), undefined)
  assert.is(
    neededCompanion({ ...gone, companion: { status: 'ended', createdAt: 1 } }),
    'deleted',
    'its recording is not for everybody any more',
  )
  const away = archived(over, 30_000)
  assert.not(acceptsMedia(away))
  assert.is(archived(away, 40_000), away)
  for (const put of [gone, away]) {
    const again = say(put, 'planned')
    assert.ok(acceptsMedia(again))
    assert.is(again.status, 'planned')
  }
  assert.not(acceptsMedia(say(gone, 'ended')))
})

test('a live companion is said again when counts change, a minute apart, and before it looks stale', () => {
  const live = wentLive(planned, 10_000)
  const said = (viewers?: { concurrent: number; total: number }) => ({
    ...live,
    companion: { status: 'live' as const, createdAt: 1000, viewers },
  })
  const watched = (at: number, concurrent: number, total: number) => ({ at, concurrent, total })
  assert.is(neededCompanion(said(), watched(1030, 3, 3)), undefined, 'too soon')
  assert.is(neededCompanion(said(), watched(1060, 0, 0)), undefined, 'nobody, as before')
  assert.is(neededCompanion(said(), watched(1060, 3, 3)), 'live')
  assert.is(neededCompanion(said({ concurrent: 3, total: 3 }), watched(1060, 3, 3)), undefined)
  assert.is(neededCompanion(said({ concurrent: 3, total: 3 }), watched(1060, 3, 4)), 'live')
  assert.is(neededCompanion(said({ concurrent: 3, total: 3 }), watched(2800, 3, 3)), 'live')
  const counted = (status: 'live' | 'ended') =>
    companionTemplate(live, undefined, status, self, 'http://r.example', 1, watched(1, 2, 5))
  assert.is(tagValue(counted('live'), 'current_participants'), '2')
  assert.is(tagValue(counted('live'), 'total_participants'), '5')
  assert.is(tagValue(counted('ended'), 'current_participants'), undefined)
  assert.is(tagValue(counted('ended'), 'total_participants'), '5')
})

test('a companion speaks only while the host does not', () => {
  assert.is(neededCompanion(planned), undefined)
  const live = wentLive(planned, 10_000)
  assert.is(neededCompanion(live), 'live')
  assert.is(neededCompanion({ ...live, companion: { status: 'live', createdAt: 1 } }), undefined)
  const hostLive = wentLive(say(planned, 'live', true), 10_000)
  assert.is(neededCompanion(hostLive), undefined)
  assert.is(
    neededCompanion({ ...hostLive, companion: { status: 'live', createdAt: 1 } }),
    'deleted',
  )
  assert.is(
    neededCompanion(wentLive(say(planned, 'live', false), 1)),
    'live',
    'live without our URL',
  )
})

test('a stream that died is announced as ended, unless its host said so', () => {
  const over = ended(wentLive(planned, 10_000), 20_000)
  assert.is(neededCompanion(over), 'ended')
  const hostEnded = ended(say(wentLive(planned, 10_000), 'ended'), 20_000)
  assert.is(neededCompanion(hostEnded), undefined)
  assert.is(
    neededCompanion({ ...hostEnded, companion: { status: 'live', createdAt: 1 } }),
    'deleted',
  )
})

test('the companion names the host, repeats what it said and points to us', () => {
  const stream = wentLive(planned, 1_700_000_100_000)
  const event = announcement('planned', ['price', '10', 'second', 'CREDIT'], ['starts', '1'])
  const template = companionTemplate(
    stream,
    event,
    'live',
    self,
    'http://relay.example',
    1_700_000_101,
  )
  assert.is(template.kind, kinds.LiveStream)
  assert.is(tagValue(template, 'd'), stream.id)
  assert.is(tagValue(template, 'a'), stream.address)
  assert.equal(tagsNamed(template, 'p'), [['p', host, '', 'Host']])
  assert.equal(tagsNamed(template, 'price'), [['price', '10', 'second', 'CREDIT']])
  assert.equal(tagsNamed(template, 'starts'), [['starts', '1700000100']])
  assert.is(tagValue(template, 'streaming'), `http://relay.example/p/${stream.id}/master.m3u8`)
  const back = companionTemplate(
    stream,
    event,
    'deleted',
    self,
    'http://relay.example',
    1_700_000_102,
  )
  assert.is(back.kind, kinds.Deletion)
  assert.is(tagValue(back, 'a'), `30311:${self}:${stream.id}`)
})

test.run()
