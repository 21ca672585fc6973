import { mkdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { collectDefaultMetrics, Registry } from 'prom-client'
import type { Clock, Logger, Plugin } from '../plugins/plugin.ts'
import { admitter } from './admit.ts'
import { writePolicyPlugins } from './child-plugin/write-policy.ts'
import { clientPace } from './client-pace.ts'
import { type Config, kindList, type LoadedConfig } from './config/config.ts'
import { loadCurve } from './curve.ts'
import { pluginHost } from './host.ts'
import { createHttp, httpServer } from './http.ts'
import { relayInfo } from './info.ts'
import { runJobs } from './jobs.ts'
import { liveConfig } from './live-config.ts'
import { queueMetrics, relayMetrics } from './metrics.ts'
import { ownPolicies } from './own-policies.ts'
import { pluginSet } from './plugin-set.ts'
import { pluginSockets } from './plugin-sockets.ts'
import { pluginTimes } from './plugin-times.ts'
import { publicEvents } from './public-events.ts'
import { createRelay, type Relay, type RelayLimits } from './relay.ts'
import { reloading } from './reload.ts'
import { loadSigner } from './signer.ts'
import { slowCalls } from './slow-calls.ts'
import { serveSockets } from './sockets.ts'
import { openSqliteStore } from './store/sqlite/index.ts'
import { holdFolder } from './store/sqlite/lock.ts'
import type { RelayStore } from './store/store.ts'
import { telemetry } from './telemetry.ts'
import { publicUrls, type Urls } from './urls.ts'
import { signatureVerifier } from './verify.ts'

const EXPIRY_SWEEP_MS = 60_000
const MAX_SUB_ID = 64

/** A relay that listens. */
export interface RunningRelay {
  readonly urls: Urls
  readonly self: string
  readonly store: RelayStore
  /**
   * Loads configuration and plugins anew, beside those that work, and puts them in their place in one step. False where
   * that failed: then nothing has changed, and the log says why.
   */
  reload(loaded: () => LoadedConfig): Promise<boolean>
  close(): Promise<void>
}

/**
 * Starts the whole relay: store -> plugins -> listen. `plugins` replaces the configured ones (tests).
 *
 * @example
 * const relay = await startRelay({ loaded: loadConfig({ set: ['relay.port=0'], env: {} }), log, env: process.env })
 * console.log(relay.urls.ws)
 * await relay.close()
 */
export async function startRelay(options: {
  loaded: LoadedConfig
  log: Logger
  env: NodeJS.ProcessEnv
  clock?: Clock
  plugins?: readonly Plugin[]
}): Promise<RunningRelay> {
  const { loaded, log, env, clock = { now: Date.now } } = options
  const { config } = loaded
  const metrics = new Registry()
  collectDefaultMetrics({ register: metrics })

  // 1. Store and key.
  const dataDir = resolve(config.db)
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const letGo = holdFolder(dataDir)
  const curve = loadCurve()
  const { engine } = curve
  if (engine === 'native') log.info({ engine }, 'signatures are checked by native code')
  else
    log.warn(
      { engine },
      `no native secp256k1 here: a signature takes ${engine === 'wasm' ? 4 : 40} times longer to check`,
    )
  const signer = loadSigner(dataDir, env, curve)
  let urls: Urls | undefined
  const known = (): Urls => {
    if (!urls) throw new Error('the public URLs are known once the relay listens')
    return urls
  }
  const store = openSqliteStore({
    dir: dataDir,
    clock,
    log,
    vanishesHere: tag => tag === 'ALL_RELAYS' || known().isOurs(tag),
  })

  // 2. Plugins.
  let relay: Relay | undefined
  let ready = false
  const { version } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8'))
  const { live, ipOf } = liveConfig(() => plugins.current().loaded)
  const slow = slowCalls({ metrics, log, clock, slowMs: () => live.slowPluginMs })
  const times = pluginTimes({ metrics, slow })
  const plugins = pluginSet({
    setUp: pluginHost({
      store,
      signer,
      clock,
      log,
      telemetry: telemetry({ log, metrics }),
      dataDir,
      urls: known,
      admit: (value, ctx) => admit(value, ctx),
      publicEvents: (filters, ip) => read(filters, ip),
      slowCalls: slow.newest,
      broadcast: event => relay?.broadcast(event),
    }),
    log,
    times,
    given: options.plugins,
    first: config => writePolicyPlugins(config, log),
    ownPolicies,
    more: ({ config }, loadedPlugins, info) => ({
      limits: limitsOf(config),
      app: createHttp({
        webDir: packageFile('dist/web'),
        origin: () => known().http,
        self: signer.self,
        read: (filters, ip) => read(filters, ip),
        info: () => relayInfo(config, signer.self, version, info()),
        ready: () => ready,
        metrics,
        ipOf,
        log,
        plugins: loadedPlugins,
      }),
    }),
  })
  const counts = relayMetrics(metrics)
  const verify = signatureVerifier(curve, counts.verified)
  const admit = admitter({ judge: plugins.judge, verify })
  const read = publicEvents({ judge: plugins.judge, store, clock })
  await plugins.load(loaded)
  store.jobsFor(kind => plugins.current().jobsFor(kind))
  relay = createRelay({
    store,
    judge: plugins.judge,
    rules: plugins.current,
    verify,
    isOurUrl: url => known().isOurs(url),
    counts,
    slow,
    clock,
    log,
  })
  const jobs = runJobs({
    store,
    holding: work => plugins.holding(({ hooksOf }) => work(hooksOf)),
    clock,
    log,
    metrics,
    times,
  })

  // 3. Listen.
  const server = httpServer((request, env) => plugins.holding(({ app }) => app.fetch(request, env)))
  const lent = pluginSockets({ config: live, ipOf, paths: () => plugins.current().sockets })
  const pace = clientPace({ limits: () => live.relay.rateLimit, clock, metrics })
  const sockets = serveSockets({
    server,
    relay,
    config: live,
    ipOf,
    pace,
    takenByPlugin: lent.take,
  })
  queueMetrics({
    registry: metrics,
    pending: sockets.pending,
    connections: sockets.count,
    subscriptions: relay.subscriptions,
    inFlight: relay.inFlight,
    sent: relay.sent,
    store: store.load,
  })
  await new Promise<void>((listening, failed) => {
    server.once('error', failed)
    server.listen(config.relay.port, config.relay.bind, listening)
  })
  const bound = server.address()
  const port = typeof bound === 'object' && bound ? bound.port : 0
  urls = publicUrls(config, port)
  await plugins.start()
  jobs.start()
  const reloads = reloading({
    plugins,
    started: loaded,
    fixed: {
      db: ({ config }) => config.db,
      'relay.bind': ({ config }) => config.relay.bind,
      'relay.port': ({ config }) => config.relay.port,
    },
    log,
    onReload({ config }) {
      urls = publicUrls(config, port)
      lent.reloaded()
    },
  })
  const sweep = setInterval(() => {
    store
      .removeExpired(Math.floor(clock.now() / 1000))
      .catch(error => log.error({ cause: String(error) }, 'expired events were not taken out'))
  }, EXPIRY_SWEEP_MS)
  ready = true

  return {
    get urls() {
      return known()
    },
    reload: reloads.reload,
    self: signer.self,
    store,
    /** No new clients, no new messages; answer what came, end the reactions, say goodbye, close the store. */
    async close() {
      ready = false
      clearInterval(sweep)
      reloads.close()
      const closed = new Promise<void>(done => server.close(() => done()))
      lent.drain()
      await sockets.drain()
      await jobs.close()
      await plugins.close()
      await Promise.all([sockets.close(), lent.close()])
      server.closeAllConnections()
      await closed
      await store.close()
      letGo()
    },
  }
}

const limitsOf = ({ relay }: Config): RelayLimits => ({
  maxFilters: relay.maxReqFilterSize,
  maxTagsPerFilter: relay.maxTagsPerFilter,
  maxSubIdLength: MAX_SUB_ID,
  maxSubscriptions: relay.maxSubsPerConnection,
  maxLimit: relay.maxFilterLimit,
  maxCount: relay.maxFilterLimitCount,
  maxSyncEvents: relay.negentropy.enabled ? relay.negentropy.maxSyncEvents : 0,
  authenticates: relay.auth.enabled,
  logging: relay.logging,
  strict: relay.filterValidation.enabled
    ? {
        minFilters: relay.filterValidation.minFiltersPerReq,
        maxFilters: relay.filterValidation.maxFiltersPerReq,
        maxKinds: relay.filterValidation.maxKindsPerFilter,
        allowedKinds: kindList(relay.filterValidation.allowedKinds),
        requireAuthorOrTag: relay.filterValidation.requireAuthorOrTag,
      }
    : undefined,
})

/** A file of the package, from source (relay/) as from the build (dist/relay/). */
export function packageFile(name: string): string {
  const up = import.meta.url.endsWith('.ts') ? '..' : '../..'
  return fileURLToPath(new URL(`${up}/${name}`, import.meta.url))
}
