import { z } from 'zod'
import { kinds, privateKinds, tagsNamed } from '../../events/index.ts'
import { canonicalIp } from '../../policies/source.ts'
import { wasTakenOut } from '../live-chat/host-reports.ts'
import { collection, type Host, type Reader } from '../plugin.ts'
import type { ListName, Lists } from './lists.ts'

/** What the operator changed of the NIP-11 document. */
export const relayTexts = collection('relay-text', z.object({ text: z.string() }))

const hex64 = z.string().regex(/^[0-9a-f]{64}$/, 'needs 64 lowercase hex')
const reason = z.string().max(500).optional()
const kindNumber = z.int().min(0).max(65_535)
const ip = z
  .string()
  .refine(text => canonicalIp(text) !== undefined, 'needs an IP address')
  .transform(text => canonicalIp(text) ?? text)
const text = z.string().trim().max(1000)

const REPORTS_LOOKED_AT = 500
/** Removed in one transaction: others wait for it. */
const BATCH = 200

/** Who calls, for the audit trail. */
export interface Caller {
  readonly pubkey: string
}

type Method = (params: unknown, caller: Caller) => Promise<unknown>

/**
 * The methods of NIP-86 by name. Each throws a ZodError for parameters that do not fit; `true` says that it is done,
 * and on disk.
 */
export function methods(host: Host, lists: Lists): ReadonlyMap<string, Method> {
  const { store, clock } = host

  /** Puts a key on a list and takes it off another. */
  const move =
    (key: z.ZodType<string | number>, on: ListName | undefined, off?: ListName): Method =>
    async (params, caller) => {
      const [name, why] = z.tuple([key, reason]).parse(padded(params, 2))
      const entry = { reason: why ?? '', by: caller.pubkey, at: Math.floor(clock.now() / 1000) }
      await store.transaction(async tx => {
        if (on) await lists.list(on).put(tx, String(name), entry)
        if (off) await lists.list(off).remove(tx, String(name))
        if (on === 'banned-pubkey') await tx.enqueue({ name: 'clear', key: String(name) })
        if (on === 'banned-event') await tx.removeEvent(String(name))
      })
      if (on) await lists.reload(on)
      if (off) await lists.reload(off)
      return true
    }

  const all =
    (list: ListName, field: string): Method =>
    async () =>
      lists
        .list(list)
        .entries()
        .map(({ key, entry }) => ({ [field]: key, reason: entry.reason }))

  const change =
    (name: string): Method =>
    async params => {
      const [said] = z.tuple([text]).parse(params)
      await store.transaction(tx => relayTexts.put(tx, name, { text: said }))
      return true
    }

  const table: Record<string, Method> = {
    banpubkey: move(hex64, 'banned-pubkey', 'allowed-pubkey'),
    unbanpubkey: move(hex64, undefined, 'banned-pubkey'),
    listbannedpubkeys: all('banned-pubkey', 'pubkey'),
    allowpubkey: move(hex64, 'allowed-pubkey', 'banned-pubkey'),
    unallowpubkey: move(hex64, undefined, 'allowed-pubkey'),
    listallowedpubkeys: all('allowed-pubkey', 'pubkey'),
    banevent: move(hex64, 'banned-event', 'allowed-event'),
    allowevent: move(hex64, 'allowed-event', 'banned-event'),
    listbannedevents: all('banned-event', 'id'),
    listeventsneedingmoderation: () => reported(store, lists),
    changerelayname: change('name'),
    changerelaydescription: change('description'),
    changerelayicon: change('icon'),
    allowkind: move(kindNumber, 'allowed-kind', 'disallowed-kind'),
    disallowkind: move(kindNumber, 'disallowed-kind', 'allowed-kind'),
    listallowedkinds: async () =>
      lists
        .list('allowed-kind')
        .entries()
        .map(({ key }) => Number(key)),
    listdisallowedkinds: async () =>
      lists
        .list('disallowed-kind')
        .entries()
        .map(({ key }) => Number(key)),
    blockip: move(ip, 'blocked-ip'),
    unblockip: move(ip, undefined, 'blocked-ip'),
    listblockedips: all('blocked-ip', 'ip'),
  }
  table.supportedmethods = async () => Object.keys(table)
  return new Map(Object.entries(table))
}

/** A reason may be left out; a tuple wants its place. */
const padded = (params: unknown, length: number): unknown =>
  Array.isArray(params) && params.length < length
    ? [...params, ...Array(length - params.length).fill(undefined)]
    : params

/**
 * What people reported (NIP-56) and neither the operator has judged nor the host of its chat taken out, each event once, the
 * newest report first.
 */
async function reported(reader: Reader, lists: Lists): Promise<{ id: string; reason: string }[]> {
  const reports = await reader.events([{ kinds: [kinds.Report], limit: REPORTS_LOOKED_AT }])
  const found = new Map<string, string>()
  for (const report of reports)
    for (const [, id = '', type = ''] of tagsNamed(report, 'e')) {
      const judged = lists.list('banned-event').has(id) || lists.list('allowed-event').has(id)
      if (!judged && !found.has(id) && !(await wasTakenOut(reader, id)))
        found.set(id, [type, report.content].filter(Boolean).join(': '))
    }
  return [...found].map(([id, why]) => ({ id, reason: why }))
}

/** Takes out what a banned pubkey has here, but for what belongs to payments and to others' mail. Twice is once. */
export function clearer({ store }: Host) {
  const kept = new Set(privateKinds)
  return async ({ key: pubkey }: { key: string }): Promise<void> => {
    for (let until: number | undefined; ; ) {
      const some = await store.events([{ authors: [pubkey], limit: BATCH, until }])
      const oldest = some.at(-1)
      await store.transaction(async tx => {
        for (const event of some) if (!kept.has(event.kind)) await tx.removeEvent(event.id)
      })
      if (!oldest || some.length < BATCH) return
      // What is kept stays in the way: go on below it.
      until = oldest.created_at === until ? until - 1 : oldest.created_at
    }
  }
}
