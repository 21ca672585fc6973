import { kinds, type NostrEvent } from '../../../events/index.ts'
import { minutesOf } from '../../playback/viewers.ts'
import {
  type Decision,
  type Host,
  type PolicyContext,
  streamPhase,
  streamReady,
  type Topic,
  type Tx,
} from '../../plugin.ts'
import { hasRoom } from '../announce.ts'
import type { MediaBackend } from '../backend.ts'
import { keep } from '../keep.ts'
import { acceptsMedia, closedByHost, phaseOf } from '../lifecycle.ts'
import type { LiveStreamOptions } from '../options.ts'
import type { HostSettings } from '../settings.ts'
import { type LiveStream, streams } from '../stream.ts'
import { describer } from './describe.ts'
import type { OperationId } from './operations.ts'
import { HttpProblem, rejected } from './problem.ts'
import { recordingHandlers } from './recordings.ts'

/** What a request came with, checked. */
export interface Call {
  /** Who signed it. */
  readonly pubkey: string
  /** The stream that it is about, where it names one. */
  readonly stream: LiveStream
  readonly target: string
  readonly recording: string
  readonly body: unknown
  readonly query: unknown
  readonly ctx: PolicyContext
}

/** What follows within so long is waited for; what takes longer is seen in the status. */
const PATIENCE_MS = 5000
const MINUTE_MS = 60_000

/** What each operation of the API does; gives its answer, or throws HttpProblem. */
export function handlers(options: {
  host: Host
  settings: LiveStreamOptions
  backend: MediaBackend
  hostSettings: HostSettings
  /** Stores a 30311 and what follows from it: the way of every announcement. */
  announce(event: NostrEvent, ctx: PolicyContext): Promise<Decision>
  changeKey(tx: Tx, stream: LiveStream): Promise<void>
}): Record<OperationId, (call: Call) => Promise<unknown>> {
  const { host, settings, backend, hostSettings, announce, changeKey } = options
  const { store, clock } = host
  const describe = describer(host, hostSettings)

  /** Takes in an announcement of the caller's as if it had come over WebSocket. */
  async function takeIn(value: unknown, { pubkey, ctx }: Call, address?: string): Promise<string> {
    const { kind, pubkey: author, tags } = value as NostrEvent
    const d = tags.find(tag => tag[0] === 'd')?.[1] ?? ''
    const named = `${kind}:${author}:${d}`
    if (kind !== kinds.LiveStream)
      throw new HttpProblem(422, 'the event needs to be an announcement, kind 30311')
    if (author !== pubkey)
      throw new HttpProblem(403, 'the event and the request need to be signed by the same key')
    if (address !== undefined && named !== address)
      throw new HttpProblem(422, `the event is about ${named}, not about ${address}`)
    const admitted = await host.admit(value, ctx)
    if (!admitted.ok) throw rejected(admitted.msg)
    const decision = await announce(admitted.event, ctx)
    if (decision.action === 'reject') throw rejected(decision.msg)
    if (decision.action === 'shadowReject') throw new HttpProblem(403, 'not here')
    return named
  }

  const known = async (address: string): Promise<LiveStream> => {
    const stream = await streams.get(store, address)
    if (!stream) throw new HttpProblem(404, 'this stream is not here any more')
    return stream
  }

  /** Waits for something told of the stream until `fits` holds, but not for long; gives the stream as it is then. */
  async function after<T extends { address: string }>(
    topic: Topic<T>,
    address: string,
    fits: (stream: LiveStream) => boolean,
  ): Promise<LiveStream> {
    let came = (): void => undefined
    const told = new Promise<void>(resolve => {
      came = resolve
    })
    const stop = host.telemetry.on(topic, one => one.address === address && came())
    const late = setTimeout(came, PATIENCE_MS)
    try {
      const now = await known(address)
      if (!fits(now)) await told
      return await known(address)
    } finally {
      stop()
      clearTimeout(late)
    }
  }

  const ready = async (address: string) =>
    describe.status(
      await after(
        streamReady,
        address,
        now => (now.keyHash !== undefined && !now.newKey) || !acceptsMedia(now),
      ),
      true,
    )
  const over = async (address: string) =>
    describe.status(await after(streamPhase, address, now => now.status === 'ended'), true)

  return {
    ...recordingHandlers(host, backend.media.recordings),

    async createStream(call) {
      const { event } = call.body as { event: unknown }
      const address = await takeIn(event, call)
      const made = await streams.get(store, address)
      if (!made || !acceptsMedia(made))
        throw new HttpProblem(
          422,
          'this announcement is stored and starts no stream: it needs the status planned or live, a created_at of now, no streaming address elsewhere, and a host who may stream here',
        )
      return ready(address)
    },

    async listStreams({ pubkey }) {
      const prefix = `${kinds.LiveStream}:${pubkey}:`
      const mine = (await streams.list(store, { prefix })).map(({ value }) => value)
      mine.sort((a, b) => b.announcement.createdAt - a.announcement.createdAt)
      return { streams: await Promise.all(mine.map(describe.stream)) }
    },

    getStatus: ({ stream, pubkey }) => describe.status(stream, pubkey === stream.host),

    async startStream(call) {
      const { address } = call.stream
      const event = (call.body as { event?: unknown } | undefined)?.event
      if (event !== undefined) await takeIn(event, call, address)
      else
        await store.transaction(async tx => {
          const now = await streams.get(tx, address)
          if (!now || acceptsMedia(now)) return
          const open = closedByHost(now, undefined)
          if (!acceptsMedia(open))
            throw new HttpProblem(
              409,
              'what its host announced last says that it is over: send a newer announcement',
            )
          if (!(await hasRoom(tx, now.host, settings)))
            throw new HttpProblem(
              403,
              `you have ${settings.maxStreamsPerHost} streams open here, end one of them first`,
            )
          await keep(tx, host, now, open, 'its host started it again')
          await tx.enqueue({ name: 'provision', key: address })
        })
      const now = await known(address)
      return acceptsMedia(now) ? ready(address) : describe.status(now, true)
    },

    async stopStream(call) {
      const { address } = call.stream
      const event = (call.body as { event?: unknown } | undefined)?.event
      if (event !== undefined) {
        await takeIn(event, call, address)
        if (acceptsMedia(await known(address)))
          throw new HttpProblem(422, 'this announcement ends nothing: it needs the status ended')
      } else
        await store.transaction(async tx => {
          const now = await streams.get(tx, address)
          if (!now || !acceptsMedia(now)) return
          await streams.put(tx, address, closedByHost(now, clock.now()))
          await tx.enqueue({ name: 'end', key: address })
        })
      return over(address)
    },

    async changeKey({ stream: { address } }) {
      await store.transaction(async tx => {
        const now = await streams.get(tx, address)
        if (!now || !acceptsMedia(now))
          throw new HttpProblem(
            409,
            `this stream is ${now ? phaseOf(now) : 'gone'}: start it first`,
          )
        await changeKey(tx, now)
      })
      return ready(address)
    },

    listTargets: async ({ stream }) => ({ targets: await describe.targets(stream) }),

    async addTarget({ stream: { address, host: by }, body }) {
      if (!backend.restream) throw new HttpProblem(501, 'the media of this relay cannot be sent on')
      const target = body as { name?: string; url: string }
      const added = await store.transaction(async tx => {
        const now = await streams.get(tx, address)
        if (!now) throw new HttpProblem(404, 'this stream is not here any more')
        const before = await hostSettings.targetsOf(tx, { address, host: by })
        const asked = hostSettings.wanted(address, [
          ...before.filter(({ url }) => url !== target.url),
          target,
        ])
        if (!asked.ok) throw new HttpProblem(422, asked.msg)
        await hostSettings.put(tx, now, asked.targets, { at: clock.now() })
        return asked.targets.at(-1)
      })
      if (!added) throw new HttpProblem(404, 'this stream is not here any more')
      return describe.target(await known(address), added)
    },

    async removeTarget({ stream: { address, host: by }, target }) {
      await store.transaction(async tx => {
        const now = await streams.get(tx, address)
        const before = await hostSettings.targetsOf(tx, { address, host: by })
        if (!now || !before.some(({ id }) => id === target))
          throw new HttpProblem(404, 'the stream is not sent on to such a target')
        const rest = before.filter(({ id }) => id !== target)
        await hostSettings.put(tx, now, rest, { at: clock.now() })
      })
    },

    async getMetrics({ stream: { id }, query }) {
      const since = clock.now() - (query as { minutes: number }).minutes * MINUTE_MS
      const rows = await minutesOf(store, id, since)
      const elsewhere = await backend.viewership?.(id).catch(() => undefined)
      return {
        viewers: await describe.viewersOf(id),
        provider: elsewhere === undefined ? undefined : { viewers: elsewhere },
        minutes: rows.map(row => ({ ...row, at: Math.floor(row.at / 1000) })),
      }
    },
  }
}
