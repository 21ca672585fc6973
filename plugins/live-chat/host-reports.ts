import { z } from 'zod'
import { kinds, type NostrEvent, parseChatMessage, tagsNamed } from '../../events/index.ts'
import { collection, type Host, type Reader } from '../plugin.ts'
import { roomOf } from './room.ts'

/** Message -> the report that took it out. */
const takenOut = collection('chat-taken-out', z.object({ report: z.string() }))

/** Looked at in one report. */
const MOST = 100

/** The messages that this report names. */
const named = (report: NostrEvent): string[] =>
  tagsNamed(report, 'e')
    .map(tag => tag[1] ?? '')
    .slice(0, MOST)

/** True while a host's report keeps the message out; it counts no more once the host has deleted it. */
export async function wasTakenOut(reader: Reader, id: string): Promise<boolean> {
  const out = await takenOut.get(reader, id)
  return out !== undefined && (await reader.event(out.report)) !== undefined
}

/**
 * A host's own report (1984, NIP-56) takes a message out of its chat, here and for every client: the event leaves the store, and
 * the policy does not take it again while the report stands. It reaches what was said in the reporter's rooms alone.
 */
export function hostReports({ store, self, log }: Host) {
  async function isInRoomsOf(reader: Reader, pubkey: string, id: string): Promise<boolean> {
    const event = await reader.event(id)
    const said = event?.kind === kinds.LiveChat ? parseChatMessage(event) : undefined
    if (!said?.ok) return false
    for (const address of said.value.addresses)
      if ((await roomOf(reader, self, address))?.host !== pubkey) return false
    return true
  }

  return {
    async when(report: NostrEvent, reader: Reader): Promise<boolean> {
      for (const id of named(report)) if (await isInRoomsOf(reader, report.pubkey, id)) return true
      return false
    },
    async run(report: NostrEvent): Promise<void> {
      await store.transaction(async tx => {
        for (const id of named(report))
          if (await isInRoomsOf(tx, report.pubkey, id)) {
            await tx.removeEvent(id)
            await takenOut.put(tx, id, { report: report.id })
            log.info({ message: id, host: report.pubkey }, 'a host took a message out of its chat')
          }
      })
    },
  }
}
