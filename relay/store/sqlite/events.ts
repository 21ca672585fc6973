import type { Database } from 'better-sqlite3'
import {
  addressOf,
  isHex64,
  kinds,
  type NostrEvent,
  parseAddress,
  tagsNamed,
  tagValue,
} from '../../../events/index.ts'
import type { PutOutcome } from '../../../plugins/store.ts'
import { rawOf } from '../../verify.ts'
import type { StoredEvent } from '../store.ts'
import { tieOf } from './schema.ts'

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

/** The keys under which an event's tags are found: single letters only (NIP-01), each once. */
export function tagKeys(event: NostrEvent): Set<string> {
  const keys = new Set<string>()
  for (const [name, value] of event.tags)
    if (name?.length === 1 && value !== undefined && /[a-zA-Z]/.test(name)) keys.add(name + value)
  return keys
}

/** NIP-40: a well-formed expiration, unix seconds. */
export function expiryOf(event: NostrEvent): number | null {
  const text = tagValue(event, 'expiration')
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null
}

/** Whose deletions reach an event: its author's, and the recipient's of a gift wrap (NIP-59). */
function deleters(event: NostrEvent): string[] {
  if (event.kind !== kinds.GiftWrap) return [event.pubkey]
  return [event.pubkey, ...tagsNamed(event, 'p').flatMap(([, p]) => (isHex64(p) ? [p] : []))]
}

/** The verbs on events. They run inside the writer's transaction; the set they leave is the same in any order of arrival. */
export function eventVerbs(db: Database, vanishesHere: (relayTag: string) => boolean) {
  const deletedId = db
    .prepare<[Buffer, Buffer], number>('SELECT 1 FROM deleted_id WHERE id = ? AND pubkey = ?')
    .pluck()
  const deletedAddress = db
    .prepare<[string], number>('SELECT until FROM deleted_address WHERE address = ?')
    .pluck()
  const vanished = db
    .prepare<[Buffer], number>('SELECT until FROM vanished WHERE pubkey = ?')
    .pluck()
  const atAddress = db.prepare<[string], { id: Buffer; created_at: number }>(
    'SELECT id, created_at FROM event WHERE address = ?',
  )
  const insert = db.prepare(
    `INSERT INTO event (id, tie, pubkey, kind, created_at, address, expires, raw) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO NOTHING`,
  )
  const insertTag = db.prepare('INSERT INTO tag (key, created_at, tie, seq) VALUES (?, ?, ?, ?)')
  const byId = db.prepare<[Buffer], { seq: number; raw: string }>(
    'SELECT seq, raw FROM event WHERE id = ?',
  )
  const removeRow = db.prepare('DELETE FROM event WHERE seq = ?')
  const removeTag = db.prepare(
    'DELETE FROM tag WHERE key = ? AND created_at = ? AND tie = ? AND seq = ?',
  )
  const noteId = db.prepare('INSERT OR IGNORE INTO deleted_id (id, pubkey) VALUES (?, ?)')
  const noteAddress = db.prepare(
    `INSERT INTO deleted_address (address, until) VALUES (?, ?)
     ON CONFLICT (address) DO UPDATE SET until = max(until, excluded.until)`,
  )
  const noteVanished = db.prepare(
    `INSERT INTO vanished (pubkey, until) VALUES (?, ?)
     ON CONFLICT (pubkey) DO UPDATE SET until = max(until, excluded.until)`,
  )
  const authoredUntil = db
    .prepare<[Buffer, number], Buffer>('SELECT id FROM event WHERE pubkey = ? AND created_at <= ?')
    .pluck()
  const wrapsFor = db
    .prepare<[string, number], Buffer>(
      `SELECT e.id FROM tag t JOIN event e ON e.seq = t.seq
       WHERE t.key = ? AND t.created_at <= ? AND e.kind = ${kinds.GiftWrap}`,
    )
    .pluck()

  function remove(id: Buffer): boolean {
    const row = byId.get(id)
    if (!row) return false
    const event = JSON.parse(row.raw) as NostrEvent
    for (const key of tagKeys(event)) removeTag.run(key, event.created_at, tieOf(id), row.seq)
    removeRow.run(row.seq)
    return true
  }

  /** NIP-01, 09, 62: may this event be stored beside what is there, unless it is there? Makes room for a newer version. */
  function admit(
    event: NostrEvent,
    id: Buffer,
    pubkey: Buffer,
    address: string | undefined,
  ): PutOutcome {
    for (const deleter of event.kind === kinds.GiftWrap ? deleters(event).map(hex) : [pubkey]) {
      const gone = vanished.get(deleter)
      if (gone !== undefined && event.created_at <= gone) return 'deleted'
      if (event.kind !== kinds.Deletion && deletedId.get(id, deleter)) return 'deleted'
    }
    if (address === undefined) return 'stored'
    const until = deletedAddress.get(address)
    if (until !== undefined && event.created_at <= until) return 'deleted'
    const other = atAddress.get(address)
    if (!other) return 'stored'
    if (other.id.equals(id)) return 'duplicate'
    const newer =
      event.created_at > other.created_at ||
      (event.created_at === other.created_at && Buffer.compare(id, other.id) < 0)
    if (!newer) return 'replaced'
    remove(other.id)
    return 'stored'
  }

  /** NIP-09: by id only what is the author's own, or a gift wrap for it; by address only what is not newer than the deletion. */
  function applyDeletion(event: NostrEvent, pubkey: Buffer): void {
    for (const [, value] of tagsNamed(event, 'e')) {
      if (!value || !/^[0-9a-f]{64}$/.test(value)) continue
      const id = hex(value)
      noteId.run(id, pubkey)
      const row = byId.get(id)
      const target = row && (JSON.parse(row.raw) as NostrEvent)
      if (!target || target.kind === kinds.Deletion) continue
      if (deleters(target).includes(event.pubkey)) remove(id)
    }
    for (const [, value] of tagsNamed(event, 'a')) {
      const address = value === undefined ? undefined : parseAddress(value)
      if (!value || address?.pubkey !== event.pubkey) continue
      noteAddress.run(value, event.created_at)
      const current = atAddress.get(value)
      if (current && current.created_at <= event.created_at) remove(current.id)
    }
  }

  /** NIP-62: everything of the author up to the request, and gift wraps sent to it. */
  function applyVanish(event: NostrEvent, pubkey: Buffer): void {
    if (!tagsNamed(event, 'relay').some(tag => vanishesHere(tag[1] ?? ''))) return
    noteVanished.run(pubkey, event.created_at)
    const ownId = hex(event.id)
    for (const id of authoredUntil.all(pubkey, event.created_at)) if (!id.equals(ownId)) remove(id)
    for (const id of wrapsFor.all(`p${event.pubkey}`, event.created_at)) remove(id)
  }

  return {
    put(event: NostrEvent): { outcome: PutOutcome; stored?: StoredEvent } {
      const id = hex(event.id)
      const pubkey = hex(event.pubkey)
      const address = addressOf(event)
      const outcome = admit(event, id, pubkey, address)
      if (outcome !== 'stored') return { outcome }
      const raw = rawOf(event)
      const tie = tieOf(id)
      const { changes, lastInsertRowid } = insert.run(
        id,
        tie,
        pubkey,
        event.kind,
        event.created_at,
        address ?? null,
        expiryOf(event),
        raw,
      )
      if (changes === 0) return { outcome: 'duplicate' }
      const seq = Number(lastInsertRowid)
      for (const key of tagKeys(event)) insertTag.run(key, event.created_at, tie, seq)
      if (event.kind === kinds.Deletion) applyDeletion(event, pubkey)
      if (event.kind === kinds.Vanish) applyVanish(event, pubkey)
      return { outcome, stored: { seq, event, raw } }
    },
    remove: (id: string): boolean => remove(hex(id)),
  }
}

/** Ids of events that NIP-40 says are over at `now` (s), at most `limit`. */
export function expiredIds(db: Database): (now: number, limit: number) => Buffer[] {
  const find = db
    .prepare<[number, number], Buffer>('SELECT id FROM event WHERE expires <= ? LIMIT ?')
    .pluck()
  return (now, limit) => find.all(now, limit)
}
