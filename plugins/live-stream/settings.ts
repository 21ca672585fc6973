import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { z } from 'zod'
import { kinds, type NostrEvent, parseStreamSettings } from '../../events/index.ts'
import { collection } from '../collection.ts'
import {
  accept,
  type Decision,
  decisionOf,
  type Host,
  type Policy,
  type Reader,
  reject,
  type Tx,
} from '../plugin.ts'
import type { RestreamTarget } from './backend.ts'
import { isInner } from './livepeer/gateway/addresses.ts'
import type { LiveStreamOptions } from './options.ts'
import { type LiveStream, streams } from './stream.ts'

/** Refuses a 5652 that says nothing which can be acted on here; what is in it, only the handler can read. */
export const settingsPolicy = (self: string): Policy => ({
  name: 'stream-settings',
  writeKinds: [kinds.StreamSettings],
  write(event) {
    const said = parseStreamSettings(event)
    if (!said.ok) return reject(`invalid: ${said.msg}`)
    if (said.value.relay === self) return accept
    return reject('restricted: these settings are for another relay')
  },
})

/**
 * What hosts set for their streams, by address. `sealed` is NIP-44 between the relay and the host: target addresses hold
 * keys, and no backup of the database is to give them away without the relay's key. `at` in unix ms.
 */
const settings = collection(
  'stream-settings',
  z.object({ sealed: z.string(), at: z.number(), event: z.string().optional() }),
)
/** What became of a restream target, as `<public id>/<target>`. */
export const restreamStates = collection(
  'restream-state',
  z.object({
    state: z.enum(['connected', 'failed', 'disconnected']),
    at: z.number(),
    problem: z.string().optional(),
  }),
)

const sealedShape = z.array(z.object({ id: z.string(), name: z.string(), url: z.string() }))

const MAX_URL = 1024

/** One target as a host sends it. */
export const targetShape = z.object({
  name: z
    .string()
    .trim()
    .max(60)
    .optional()
    .describe('What the host calls it; without one, the host name of the address'),
  url: z
    .string()
    .max(MAX_URL)
    .regex(/^rtmps?:\/\/[^\s/]+\/\S+$/, 'needs an rtmp:// or rtmps:// address with its key')
    .describe('The server and the key there, as one address: rtmp://live.example.com/app/KEY'),
})
const contentShape = z.object({ restream: z.array(targetShape).default([]) })

/** Targets with their ids, or the sentence why not. The same address is the same target. */
export type Wanted = { ok: true; targets: RestreamTarget[] } | { ok: false; msg: string }

/** How hosts' settings are read, kept and changed; the way by event and the way over HTTP meet here. */
export function hostSettings(host: Host, options: LiveStreamOptions, canRestream: () => boolean) {
  const { maxTargets, innerTargets } = options.restream

  /** The targets of a stream, with their secrets. */
  async function targetsOf(
    reader: Reader,
    stream: Pick<LiveStream, 'address' | 'host'>,
  ): Promise<RestreamTarget[]> {
    const kept = await settings.get(reader, stream.address)
    return kept ? sealedShape.parse(JSON.parse(host.decrypt(stream.host, kept.sealed))) : []
  }

  function wanted(address: string, list: readonly z.output<typeof targetShape>[]): Wanted {
    if (list.length > 0 && !canRestream())
      return { ok: false, msg: 'the media of this relay cannot be sent on' }
    if (list.length > maxTargets)
      return { ok: false, msg: `a stream is sent on to ${maxTargets} places at most` }
    const targets: RestreamTarget[] = []
    for (const { name, url } of list) {
      const place = URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, '') : ''
      if (place === '' || (!innerTargets && isInside(place)))
        return { ok: false, msg: `"${place}" is no place outside to which a stream can be sent` }
      const id = createHash('sha256').update(`${address} ${url}`).digest('hex').slice(0, 16)
      if (!targets.some(one => one.id === id)) targets.push({ id, name: name || place, url })
    }
    return { ok: true, targets }
  }

  /** Replaces a stream's targets, and asks for it to be done. */
  async function put(
    tx: Tx,
    stream: LiveStream,
    targets: readonly RestreamTarget[],
    from: { at: number; event?: string },
  ): Promise<void> {
    const before = await settings.get(tx, stream.address)
    if (before?.event && before.event !== from.event) await tx.removeEvent(before.event)
    const sealed = host.encrypt(stream.host, JSON.stringify(targets))
    await settings.put(tx, stream.address, { sealed, ...from })
    for (const { key } of await restreamStates.list(tx, { prefix: `${stream.id}/` }))
      if (!targets.some(one => key === `${stream.id}/${one.id}`))
        await restreamStates.delete(tx, key)
    await tx.enqueue({ name: 'restream', key: stream.address })
  }

  /** Its host deleted the event (kind 5) that says so: nothing is set any more. */
  async function withdraw(tx: Tx, stream: LiveStream, deleted: ReadonlySet<string>): Promise<void> {
    const kept = await settings.get(tx, stream.address)
    if (kept?.event && deleted.has(kept.event)) await put(tx, stream, [], { at: host.clock.now() })
  }

  /** Takes out what is kept of a stream's settings. */
  async function forget(tx: Tx, { address, id }: LiveStream): Promise<void> {
    const kept = await settings.get(tx, address)
    if (kept?.event) await tx.removeEvent(kept.event)
    await settings.delete(tx, address)
    for (const { key } of await restreamStates.list(tx, { prefix: `${id}/` }))
      await restreamStates.delete(tx, key)
  }

  /** Stores a 5652 in place of the one before it; the newest counts, whichever way it came. */
  async function handle(event: NostrEvent): Promise<Decision> {
    const said = parseStreamSettings(event)
    if (!said.ok) return reject(`invalid: ${said.msg}`)
    const { address, createdAt, content } = said.value
    const read = contentShape.safeParse(opened(host, event.pubkey, content))
    if (!read.success) return reject(`invalid: ${sentence(read.error)}`)
    const asked = wanted(address, read.data.restream)
    if (!asked.ok) return reject(`restricted: ${asked.msg}`)
    return host.store.transaction(async tx => {
      const stream = await streams.get(tx, address)
      if (!stream) return reject('invalid: this relay makes no such stream, announce it first')
      const before = await settings.get(tx, address)
      if (before?.event === event.id) return decisionOf('duplicate')
      if (before && Math.floor(before.at / 1000) > createdAt)
        return reject('duplicate: newer settings of this stream are known')
      const outcome = await tx.putEvent(event)
      if (outcome === 'stored')
        await put(tx, stream, asked.targets, { at: createdAt * 1000, event: event.id })
      return decisionOf(outcome)
    })
  }

  return { targetsOf, wanted, put, withdraw, forget, handles: { [kinds.StreamSettings]: handle } }
}
export type HostSettings = ReturnType<typeof hostSettings>

/** Names that lead into this machine or its network. What a name resolves to, who connects has to look at. */
const isInside = (name: string): boolean =>
  isIP(name) > 0
    ? isInner(name)
    : !name.includes('.') || /\.(local|internal|localhost)$/i.test(name)

function opened(host: Host, pubkey: string, content: string): unknown {
  try {
    return JSON.parse(host.decrypt(pubkey, content))
  } catch {
    return undefined
  }
}

function sentence({ issues }: z.ZodError): string {
  const [first] = issues
  if (!first || first.path.length === 0)
    return 'the content needs to be JSON, encrypted to this relay (NIP-44)'
  return `${first.path.join('.')}: ${first.message}`
}
