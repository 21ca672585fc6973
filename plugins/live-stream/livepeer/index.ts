import type { Host, Tx } from '../../plugin.ts'
import { type MediaBackend, type MediaEvent, MediaUnavailable } from '../backend.ts'
import { mediaChannels } from './channels.ts'
import { streamKeeper } from './keeper.ts'
import { type Change, providerLedger } from './ledger.ts'
import type { LivepeerOptions } from './options.ts'
import { playbackLock } from './playback-lock.ts'
import { poller } from './poll.ts'
import { livepeerApi } from './provider/api.ts'
import { providerGuard } from './provider/guard.ts'
import { reconciler } from './reconcile.ts'
import { ownPrefix, providerRecords } from './record.ts'
import { recordingSeeker } from './recording.ts'
import { restreamer } from './restream.ts'
import { WEBHOOK_PATH, webhookRegistration, webhookRoute } from './webhook.ts'

/** When to look whether a create whose answer was lost was done after all, ms. */
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
  const { host, apiKey, webhookSecret, follow, onEvent } = options
  const { store, clock, log, metrics } = host
  if (!apiKey) throw new Error('liveStream.media is "livepeer": set LIVEPEER_API_KEY')

  // 1. The provider's API behind its guard, and its media behind names of our own.
  const { requestsPerSecond } = options
  const guard = providerGuard({ clock, metrics, requestsPerSecond, apiKey })
  const api = await livepeerApi({ ...options, apiKey, guard })
  const lock = options.playbackPolicy === 'jwt' ? playbackLock(host, api) : undefined
  const channels = await mediaChannels({ host, api, lock, settings: options, onEvent })

  // 2. What the provider says, by webhook or poll.
  const { mediaAt } = channels
  const ledger = providerLedger({ host, follow, mediaAt, records: options.record })
  function act({ id, active }: Change): void {
    poll.soon()
    if (active) channels.begin(id)
    else channels.rest(id)
  }
  const every = webhookSecret ? options.pollWithWebhooksSeconds : options.pollSeconds
  const poll = poller({ clock, log, everyMs: every * 1000, ask })

  async function ask() {
    if ((await providerRecords.list(store, { limit: 1 })).length === 0) return { changed: false }
    const askedAt = clock.now()
    const listed = await api.list({ name: ownPrefix(host.self), active: true })
    // A server that does not know the filter gives all of them.
    const there = listed.filter(one => one.isActive)
    const { changes, askAgain } = await ledger.poll(new Set(there.map(one => one.id)), askedAt)
    for (const change of changes) act(change)
    await ledger.health(there)
    // While something is live its health may change any time.
    return { changed: changes.length > 0 || there.length > 0, askAgain }
  }

  // 3. What we have there, and that both sides agree on it.
  const reconcileAt = (runAt: number) =>
    store.transaction(tx => tx.enqueue({ name: 'livepeer-reconcile', key: 'all', runAt }))
  const keeper = streamKeeper({
    host,
    api,
    lock,
    settings: options,
    onLostCreate: () => reconcileAt(clock.now() + SECOND_LOOK_MS),
    onOther: channels.forget,
  })
  const { keepEndedHours } = options
  const reconcile = reconciler({ host, api, keepEndedHours, alone: keeper.alone })
  const registerWebhook = webhookRegistration({ ...options, api })

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
    await reconcileAt(next)
  }

  const { serverUrl, rtmpUrl } = options
  const webhooks = webhookSecret ? WEBHOOK_PATH : 'none, polling'
  log.info({ serverUrl, rtmpUrl, webhooks }, 'media is made by livepeer')

  return {
    name: 'livepeer',
    async create(stream) {
      const ingest = await keeper.create(stream)
      poll.soon()
      return ingest
    },
    async end(id, how) {
      // Who may return does so with the same key: it stays as it is.
      if (how?.mayReturn) return
      channels.rest(id)
      await keeper.end(id)
    },
    restream: restreamer({ host, api, alone: keeper.alone }),
    async rotateKey(stream) {
      channels.rest(stream.id)
      const ingest = await keeper.rotateKey(stream)
      poll.soon()
      return ingest
    },
    async viewership(id) {
      const record = await providerRecords.get(store, id)
      return record && api.viewers(record.playbackId)
    },
    media: {
      fetch: (id, path, _query, signal) => channels.fetch(id, path, signal),
      qualities(id) {
        const known = channels.qualities(id)
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
          keepHours: keepEndedHours,
          done: () => reconcileAt(clock.now()),
        }),
      },
      routes: webhookSecret
        ? webhookRoute({ clock, secret: webhookSecret, ledger, act })
        : undefined,
      async start() {
        for (const { key, value } of await providerRecords.list(store))
          if (value.active) channels.begin(key)
        await reconcileAt(clock.now())
        poll.start()
      },
    },
    async close() {
      await poll.close()
      channels.close()
    },
  }
}
