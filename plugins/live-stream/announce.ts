import { type Announcement, kinds, type NostrEvent, parseAnnouncement } from '../../events/index.ts'
import {
  accept,
  type Decision,
  decisionOf,
  type Host,
  type Policy,
  type PolicyContext,
  type Reader,
  reject,
} from '../plugin.ts'
import { keep } from './keep.ts'
import { announced } from './lifecycle.ts'
import type { LiveStreamOptions } from './options.ts'
import { streamIds, streams } from './stream.ts'

/** Refuses a 30311 that no real client sends; the sentence says what is wrong with it. */
export const announcementPolicy: Policy = {
  name: 'announcement',
  writeKinds: [kinds.LiveStream],
  write(event) {
    const said = parseAnnouncement(event)
    return said.ok ? accept : reject(`invalid: ${said.msg}`)
  },
}

/**
 * Stores a 30311 and, in the same transaction, what follows from it: the stream's record and the job that
 * talks to the backend. An announcement that triggers nothing (imported, old, media elsewhere) is only stored.
 */
export function announcementHandler(host: Host, options: LiveStreamOptions) {
  return async (event: NostrEvent, ctx: PolicyContext): Promise<Decision> => {
    const said = parseAnnouncement(event)
    if (!said.ok) return reject(`invalid: ${said.msg}`)
    const { address } = said.value
    return host.store.transaction(async tx => {
      const before = await streams.get(tx, address)
      const begins = triggers(host, options, said.value, event, ctx)
      const opens = begins && (!before || before.status === 'ended')
      if (opens && !(await hasRoom(tx, event.pubkey, options)))
        return reject(
          `restricted: you have ${options.maxStreamsPerHost} streams open here, end one of them first`,
        )
      const outcome = await tx.putEvent(event)
      if (outcome !== 'stored' || (!before && !begins)) return decisionOf(outcome)

      const after = announced(before, event, said.value, pointsHere(host, said.value))
      await keep(tx, host, before, after)
      await streamIds.put(tx, after.id, { address })
      await tx.enqueue({ name: said.value.status === 'ended' ? 'end' : 'provision', key: address })
      return accept
    })
  }
}

const pointsHere = (host: Host, said: Announcement): boolean =>
  said.streaming.some(url => url.startsWith(`${host.urls().http}/p/`))

function triggers(
  host: Host,
  options: LiveStreamOptions,
  said: Announcement,
  event: NostrEvent,
  ctx: PolicyContext,
): boolean {
  const age = Math.abs(ctx.receivedAt - event.created_at)
  const foreign = said.streaming.some(url => url !== '') && !pointsHere(host, said)
  const entitled = options.hosts === 'any' || options.listed.includes(said.host)
  return (
    (said.status === 'planned' || said.status === 'live') &&
    age <= options.maxAnnouncementAgeSeconds &&
    entitled &&
    !foreign &&
    (ctx.source.type === 'IP4' || ctx.source.type === 'IP6')
  )
}

/** May this host open one more stream? */
export async function hasRoom(
  reader: Reader,
  pubkey: string,
  { maxStreamsPerHost }: LiveStreamOptions,
): Promise<boolean> {
  const mine = await streams.list(reader, { prefix: `${kinds.LiveStream}:${pubkey}:` })
  return mine.filter(({ value }) => value.status !== 'ended').length < maxStreamsPerHost
}
