import { mkdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { NostrEvent } from '../../events/index.ts'
import type { Clock, Hooks, Logger, Plugin } from '../../plugins/plugin.ts'
import { admitter } from '../admit.ts'
import type { LoadedConfig } from '../config/config.ts'
import { loadCurve } from '../curve.ts'
import { pluginHost } from '../host.ts'
import { createHttp, httpServer } from '../http.ts'
import { relayInfo } from '../info.ts'
import { runJobs } from '../jobs.ts'
import { judge } from '../judge.ts'
import { latest } from '../latest.ts'
import { liveConfig } from '../live-config.ts'
import { ownPolicies } from '../own-policies.ts'
import { pluginSet } from '../plugin-set.ts'
import { pluginSockets } from '../plugin-sockets.ts'
import { pluginTimes } from '../plugin-times.ts'
import { publicEvents } from '../public-events.ts'
import { reloading } from '../reload.ts'
import { packageFile } from '../server.ts'
import { loadSigner } from '../signer.ts'
import { slowCalls } from '../slow-calls.ts'
import { openSqliteStore } from '../store/sqlite/index.ts'
import { holdFolder } from '../store/sqlite/lock.ts'
import { telemetry } from '../telemetry.ts'
import { eventId, signatureVerifier } from '../verify.ts'
import { createInbox, type Reactions } from './inbox.ts'
import { createLink, type Link } from './link.ts'
import { companionOptions, companionUrls } from './options.ts'
import { createOutbox } from './outbox.ts'

const POLICY_DEADLINE_MS = 5000
const EXPIRY_SWEEP_MS = 60_000
/** What strfry speaks, and the streams that we add. */
const NIPS = [1, 2, 4, 9, 11, 28, 40, 42, 45, 53, 59, 70, 77]

export interface RunningCompanion {
  /** Where it serves playback, pages and API. */
  readonly http: string
  readonly self: string
  /** As the relay's: loads configuration and plugins anew, beside those that work. */
  reload(loaded: () => LoadedConfig): Promise<boolean>
  close(): Promise<void>
}

/**
 * The plugins' reactions beside a strfry (or any relay) at `relayUrl`: handlers, onStored, jobs and routes run here,
 * fed by subscription, and what they publish is sent there. State is in the same store as the relay's own, so either
 * side may be restarted, or killed, at any time.
 *
 * @example
 * const companion = await startCompanion({ loaded, relayUrl: 'ws://127.0.0.1:7777', log, env: process.env })
 */
export async function startCompanion(options: {
  loaded: LoadedConfig
  relayUrl: string
  log: Logger
  env: NodeJS.ProcessEnv
  clock?: Clock
  plugins?: readonly Plugin[]
}): Promise<RunningCompanion> {
  const { loaded, relayUrl, log, env, clock = { now: Date.now } } = options
  const own = companionOptions(loaded)
  const metrics = new Registry()
  collectDefaultMetrics({ register: metrics })

  // 1. Store and key: a folder of its own, or the one in which strfry keeps its database.
  const dataDir = resolve(loaded.config.db)
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const letGo = holdFolder(dataDir)
  const curve = loadCurve()
  const signer = loadSigner(dataDir, env, curve)
  let port: number | undefined
  const urls = (): { ws: string; http: string } => {
    if (port === undefined) throw new Error('the public URLs are known once the companion listens')
    return companionUrls(plugins.current().loaded, port)
  }
  const authUrl = () => live.relay.auth.serviceUrl || relayUrl
  const store = openSqliteStore({
    dir: dataDir,
    clock,
    log,
    vanishesHere: tag => tag === 'ALL_RELAYS' || sameRelay(tag, authUrl()),
  })

  // 2. Plugins. What they say of the relay's key goes through the outbox.
  let link: Link | undefined
  const theLink = (): Link => {
    if (!link) throw new Error('the link is made once the companion listens')
    return link
  }
  const outbox = createOutbox({
    store: store.forPlugin('companion'),
    self: signer.self,
    sign: signer.sign,
    link: theLink,
    clock,
    log,
    metrics,
  })
  const { version } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8'))
  const { live, ipOf } = liveConfig(() => plugins.current().loaded)
  const slow = slowCalls({ metrics, log, clock, slowMs: () => live.slowPluginMs })
  const times = pluginTimes({ metrics, slow })
  const plugins = pluginSet({
    setUp: pluginHost({
      store: { forPlugin: name => outbox.wrap(store.forPlugin(name)) },
      signer,
      clock,
      log,
      telemetry: telemetry({ log, metrics }),
      dataDir,
      urls,
      admit: (value, ctx) => admit(value, ctx),
      publicEvents: (filters, ip) => read(filters, ip),
      slowCalls: slow.newest,
      // Ephemeral: whoever is not there misses it, here as everywhere.
      broadcast: event =>
        void theLink()
          .publish(event)
          .catch(() => undefined),
    }),
    log,
    times,
    given: options.plugins,
    ownPolicies,
    more: ({ config }, loadedPlugins, info) => ({
      app: createHttp({
        origin: () => urls().http,
        self: signer.self,
        read: (filters, ip) => read(filters, ip),
        webDir: packageFile('dist/web'),
        info: () => relayInfo(config, signer.self, version, info(), NIPS),
        ready: () => link?.open ?? false,
        metrics,
        ipOf,
        log,
        plugins: loadedPlugins,
      }),
    }),
  })
  const verify = signatureVerifier(curve)
  const admit = admitter({ judge: plugins.judge, verify })
  const read = publicEvents({ judge: plugins.judge, store, clock })
  await plugins.load(loaded)
  store.jobsFor(kind => plugins.current().jobsFor(kind))
  const jobs = runJobs({
    store,
    holding: work => plugins.holding(({ hooksOf }) => work(hooksOf)),
    clock,
    log,
    metrics,
    times,
  })

  // 3. HTTP: playback, pages, API, on a port of its own.
  const server = httpServer((request, env) => plugins.holding(({ app }) => app.fetch(request, env)))
  const lent = pluginSockets({ config: live, ipOf, paths: () => plugins.current().sockets })
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    if (!lent.take(request, socket, head)) socket.end('HTTP/1.1 404 Not Found\r\n\r\n')
  })
  await new Promise<void>((listening, failed) => {
    server.once('error', failed)
    server.listen(own.port, own.bind, listening)
  })
  const bound = server.address()
  port = typeof bound === 'object' && bound ? bound.port : own.port

  // 4. The relay: what it has goes to the plugins, what they say goes to it.
  const reactions = latest(plugins.current, (now): Reactions => {
    const kindsOf = (pick: (hooks: Hooks) => readonly number[]) =>
      now.plugins.flatMap(({ hooks }) => pick(hooks))
    const { policies, pluginOf } = now
    return {
      // The relay's own limits have been asked by the relay; what comes by other ways meets them here (admit).
      judge: judge(policies, { deadlineMs: POLICY_DEADLINE_MS, log, pluginOf, times }),
      handles: now.handles,
      wanted: kindsOf(hooks => Object.keys(hooks.onStored ?? {}).map(Number)),
      reads: kindsOf(hooks => hooks.reads ?? []),
      refusal(event, msg) {
        for (const { hooks } of now.plugins) {
          const template = hooks.refused?.[event.kind]?.(event, msg)
          if (template) return signer.sign(template)
        }
        return undefined
      },
    }
  })
  const inbox = createInbox({
    store,
    self: signer.self,
    reactions,
    holding: work => plugins.holding(() => work(reactions())),
    ours: outbox.wrap(store.forPlugin('companion')),
    verify: (event: NostrEvent) => eventId(event) === event.id && verify(event),
    link: theLink,
    overlapSeconds: own.overlapSeconds,
    clock,
    log,
  })
  link = createLink({
    url: relayUrl,
    authUrl,
    sign: signer.sign,
    log,
    onReady() {
      outbox.send()
      inbox.begin()
    },
    onLost: inbox.lost,
  })
  new Gauge({
    name: 'sluice_companion_connected',
    help: '1 while the connection to the relay stands',
    registers: [metrics],
    collect() {
      this.set(link?.open ? 1 : 0)
    },
  })
  await plugins.start()
  jobs.start()
  const reloads = reloading({
    plugins,
    started: loaded,
    fixed: {
      db: ({ config }) => config.db,
      'companion.bind': now => companionOptions(now).bind,
      'companion.port': now => companionOptions(now).port,
      'companion.overlapSeconds': now => companionOptions(now).overlapSeconds,
    },
    log,
    onReload() {
      lent.reloaded()
      inbox.reloaded()
    },
  })
  const sweep = setInterval(() => {
    store
      .removeExpired(Math.floor(clock.now() / 1000))
      .catch(error => log.error({ cause: String(error) }, 'expired events were not taken out'))
  }, EXPIRY_SWEEP_MS)

  return {
    http: urls().http,
    self: signer.self,
    reload: again =>
      reloads.reload(() => {
        const next = again()
        companionOptions(next)
        return next
      }),
    /** No new events; ends what is under way. What the relay has not yet taken waits in the outbox. */
    async close() {
      clearInterval(sweep)
      reloads.close()
      const closed = new Promise<void>(done => server.close(() => done()))
      lent.drain()
      await inbox.close()
      await jobs.close()
      await plugins.close()
      await lent.close()
      outbox.close()
      link?.close()
      server.closeAllConnections()
      await closed
      await outbox.settled()
      await store.close()
      letGo()
    },
  }
}

const sameRelay = (a: string, b: string): boolean => {
  const bare = (url: string) => url.toLowerCase().replace(/\/+$/, '')
  return bare(a) === bare(b)
}
