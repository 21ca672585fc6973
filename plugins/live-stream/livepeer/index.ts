import type { Host, Tx } from '../../plugin.ts'
import { type MediaBackend, type MediaEvent, MediaUnavailable } from '../backend.ts'
import { fetchCache } from './gateway/cache.ts'
import { ProxiedStream } from './gateway/proxied.ts'
import { upstream } from './gateway/upstream.ts'
import { type Change, providerLedger } from './ledger.ts'
import type { LivepeerOptions } from './options.ts'
import { playbackLock } from './playback-lock.ts'
import { poller } from './poll.ts'
import { livepeerApi, type ProviderStream } from './provider/api.ts'
import { ProviderRefused } from './provider/failure.ts'
import { providerGuard } from './provider/guard.ts'
import { forget, oldest, reconciler } from './reconcile.ts'
import { ownPrefix, providerIds, providerRecords, streamName } from './record.ts'
import { recordingSeeker } from './recording.ts'
import { mediaWatch } from './watch.ts'
import { WEBHOOK_EVENTS, WEBHOOK_PATH, webhookRoute } from './webhook.ts'

/** How long media stays for viewers who are a little behind, ms. */
const LINGER_MS = 30_000
/** A refused create is tried again after so long, ms. */
const REFUSED_MS = 10 * 60_000
/** A create whose answer was lost may still be done, late: then there are two. */
const SECOND_LOOK_MS = 60_000

/** Livepeer as the media backend: hosts push there, viewers watch through our gateway. */
export async function createLivepeerBackend(
  options: LivepeerOptions & {
    host: Host
    apiKey: string | undefined
    /** Without it there is no webhook route, and polls say all. */
    webhookSecret: string | undefined
    onEvent(event: MediaEvent): void
    follow(tx: Tx, event: MediaEvent): Promise<void>
  },
): Promise<MediaBackend> {
  const { host, apiKey, webhookSecret, follow } = options
  const { store, clock, log, self } = host
  if (!apiKey) throw new Error('liveStream.media is "livepeer": set LIVEPEER_API_KEY')

  // 1. The provider's API, behind its guard.
  const guard = providerGuard({ ...options, apiKey, clock, metrics: host.metrics })
  const api = await livepeerApi({ ...options, apiKey, guard })
  const lock = options.playbackPolicy === 'jwt' ? playbackLock(host, api) : undefined

  // 2. The provider's media, behind names of our own.
  const provider = await upstream(options)
  const cache = fetchCache(options.cacheBytes)
  const open = new Map<string, ProxiedStream>()
  const lingering = new Map<string, NodeJS.Timeout>()

  function proxied(id: string): ProxiedStream {
    const known = open.get(id)
    if (known) return known
    let address: { url: string; playbackId: string } | undefined
    const stream = new ProxiedStream({
      upstream: provider,
      cache,
      now: () => clock.now(),
      async entry() {
        if (address) return address.url
        const record = await providerRecords.get(store, id)
        const url = record && (await api.playbackUrl(record.playbackId))
        if (record && url) address = { url, playbackId: record.playbackId }
        return url
      },
      unlock: url => (lock && address ? lock.unlock(url, address.playbackId) : url),
    })
    open.set(id, stream)
    return stream
  }

  // 3. What the provider says, by webhook or poll, and what its media says.
  const watch = mediaWatch({
    clock,
    stallMs: options.stallSeconds * 1000,
    advanced: id => proxied(id).advanced(),
    onEvent: options.onEvent,
  })
  const { mediaAt } = watch
  const ledger = providerLedger({ host, follow, mediaAt, records: options.record })

  function act({ id, active }: Change): void {
    poll.soon()
    if (active) begin(id)
    else rest(id)
  }

  function begin(id: string): void {
    clearTimeout(lingering.get(id))
    lingering.delete(id)
    watch.start(id)
  }

  /** No more looking; who is a little behind still gets what is left. */
  function rest(id: string): void {
    watch.stop(id)
    clearTimeout(lingering.get(id))
    const timer = setTimeout(() => {
      lingering.delete(id)
      open.delete(id)
    }, LINGER_MS)
    lingering.set(id, timer)
  }

  const every = webhookSecret ? options.pollWithWebhooksSeconds : options.pollSeconds
  const poll = poller({
    clock,
    log,
    everyMs: every * 1000,
    async ask() {
      if ((await providerRecords.list(store, { limit: 1 })).length === 0) return { changed: false }
      const askedAt = clock.now()
      const listed = await api.list({ name: ownPrefix(self), active: true })
      // A server that does not know the filter gives all of them.
      const there = listed.filter(one => one.isActive)
      const { changes, askAgain } = await ledger.poll(new Set(there.map(one => one.id)), askedAt)
      for (const change of changes) act(change)
      await ledger.health(there)
      // While something is live its health may change any time.
      return { changed: changes.length > 0 || there.length > 0, askAgain }
    },
  })

  // 4. One thing at a time for each stream: two creates that run together would make two.
  const busy = new Map<string, Promise<unknown>>()
  function alone<T>(id: string, work: () => Promise<T>): Promise<T> {
    const run = (busy.get(id) ?? Promise.resolve()).then(work, work)
    busy.set(id, run)
    const free = () => {
      if (busy.get(id) === run) busy.delete(id)
    }
    run.then(free, free)
    return run
  }

  async function find(id: string): Promise<ProviderStream | undefined> {
    const record = await providerRecords.get(store, id)
    const known = record && (await api.get(record.providerId))
    if (known) return known
    const name = streamName(self, id)
    return oldest((await api.list({ name })).filter(one => one.name === name))
  }

  async function make(id: string, title: string): Promise<ProviderStream> {
    await lock?.ready()
    const { profiles, record, playbackPolicy } = options
    const userTags = { sluice: self, title: title.slice(0, 200) }
    const wanted = { name: streamName(self, id), profiles, record, playbackPolicy, userTags }
    return api.create(wanted).catch(async error => {
      await store.transaction(tx => tx.enqueue(reconcileAt(clock.now() + SECOND_LOOK_MS)))
      throw error
    })
  }

  /** It will be refused until somebody changes something, here or there. */
  function refused(error: unknown): never {
    if (!(error instanceof ProviderRefused)) throw error
    const problem = 'the media provider refuses to make this stream; its operator has to look'
    throw new MediaUnavailable(error.message, clock.now() + REFUSED_MS, problem)
  }

  const remember = (id: string, { id: providerId, playbackId }: ProviderStream) =>
    store.transaction(async tx => {
      const before = await providerRecords.get(tx, id)
      if (before?.providerId === providerId) return
      if (before) await providerIds.delete(tx, before.providerId)
      await providerIds.put(tx, providerId, { id })
      const fresh = { active: false, eventAt: 0, touchedAt: 0, recording: false }
      await providerRecords.put(tx, id, { id, providerId, playbackId, ...fresh })
      open.delete(id)
    })

  async function remove(id: string): Promise<void> {
    const there = await find(id)
    if (there) await api.delete(there.id)
    await forget(store, id)
  }

  const reconcile = reconciler({ host, api, keepEndedHours: options.keepEndedHours, alone })
  const reconcileAt = (runAt: number) => ({ name: 'livepeer-reconcile', key: 'all', runAt })

  async function registerWebhook(): Promise<void> {
    const { webhookUrl: url } = options
    if (url === '' || !webhookSecret) return
    if ((await api.webhooks()).some(one => one.url === url)) return
    const name = ownPrefix(self)
    await api.addWebhook({ name, url, events: WEBHOOK_EVENTS, sharedSecret: webhookSecret })
    log.info({ url }, 'the media provider has our webhook')
  }

  /** The provider and we agree, now and every hour. */
  async function agree(): Promise<void> {
    let next = clock.now() + options.reconcileMinutes * 60_000
    try {
      await ledger.sweep()
      await registerWebhook()
      await reconcile()
    } catch (error) {
      if (!(error instanceof MediaUnavailable)) throw error
      next = error.retryAt
    }
    await store.transaction(tx => tx.enqueue(reconcileAt(next)))
  }

  const { serverUrl, rtmpUrl } = options
  const webhooks = webhookSecret ? WEBHOOK_PATH : 'none, polling'
  log.info({ serverUrl, rtmpUrl, webhooks }, 'media is made by livepeer')

  return {
    name: 'livepeer',
    create: ({ id, title }) =>
      alone(id, async () => {
        const found = await find(id)
        if (found?.suspended) await api.suspend(found.id, false)
        const stream = found ?? (await make(id, title).catch(refused))
        if (!stream.streamKey) throw new Error('livepeer: the stream has no key')
        await remember(id, stream)
        poll.soon()
        return { rtmp: { server: rtmpUrl, key: stream.streamKey } }
      }),
    end: (id, how) =>
      alone(id, async () => {
        if (how?.mayReturn) return
        rest(id)
        const record = await providerRecords.get(store, id)
        if (!record?.recording && !(record?.active && options.record)) return remove(id)
        await api.terminate(record.providerId)
        await api.suspend(record.providerId, true)
        await store.transaction(async tx => {
          const now = await providerRecords.get(tx, id)
          if (now) await providerRecords.put(tx, id, { ...now, active: false, recording: true })
          await tx.enqueue({ name: 'livepeer-recording', key: id })
        })
      }),
    media: {
      fetch: async (id, path, _query, signal) => open.get(id)?.fetch(path, signal),
      qualities(id) {
        const known = open.get(id)?.qualities ?? []
        return known.length > 0 ? known : ['source', ...options.profiles.map(one => one.name)]
      },
    },
    hooks: {
      jobs: {
        'livepeer-reconcile': agree,
        'livepeer-recording': recordingSeeker({
          host,
          api,
          follow,
          keepHours: options.keepEndedHours,
          done: async () => store.transaction(tx => tx.enqueue(reconcileAt(clock.now()))),
        }),
      },
      routes: webhookSecret
        ? webhookRoute({ clock, secret: webhookSecret, ledger, act })
        : undefined,
      async start() {
        for (const { key, value } of await providerRecords.list(store)) if (value.active) begin(key)
        await store.transaction(tx => tx.enqueue(reconcileAt(clock.now())))
        poll.start()
      },
    },
    async close() {
      await poll.close()
      watch.close()
      for (const timer of lingering.values()) clearTimeout(timer)
      provider.close()
    },
  }
}
