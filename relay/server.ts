import { mkdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Clock, Logger, Plugin } from '../plugins/plugin.ts'
import { admitter } from './admit.ts'
import { writePolicyPlugins } from './child-plugin/write-policy.ts'
import { clientAddress } from './client-address.ts'
import { clientPace } from './client-pace.ts'
import type { LoadedConfig } from './config/config.ts'
import { loadCurve } from './curve.ts'
import { combine, type LoadedPlugin, pluginHost } from './host.ts'
import { createHttp, httpServer } from './http.ts'
import { relayInfo } from './info.ts'
import { runJobs } from './jobs.ts'
import { judge } from './judge.ts'
import { importPlugin } from './loader.ts'
import { ownPolicies } from './own-policies.ts'
import { pluginSockets } from './plugin-sockets.ts'
import { policyMetrics } from './policy-times.ts'
import { createRelay, type Relay } from './relay.ts'
import { loadSigner } from './signer.ts'
import { serveSockets } from './sockets.ts'
import { openSqliteStore } from './store/sqlite/index.ts'
import { holdFolder } from './store/sqlite/lock.ts'
import type { RelayStore } from './store/store.ts'
import { publicUrls, type Urls } from './urls.ts'
import { signatureVerifier } from './verify.ts'

const POLICY_DEADLINE_MS = 5000
const EXPIRY_SWEEP_MS = 60_000
const MAX_SUB_ID = 64

/** A relay that listens. */
export interface RunningRelay {
  readonly urls: Urls
  readonly self: string
  readonly store: RelayStore
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
  const plugins: LoadedPlugin[] = []
  let relay: Relay | undefined
  let admit: ReturnType<typeof admitter> | undefined
  const setUp = pluginHost({
    store,
    signer,
    clock,
    log,
    dataDir,
    loaded,
    urls: known,
    admit(value, ctx) {
      if (!admit) throw new Error('events are admitted once the plugins are set up')
      return admit(value, ctx)
    },
    broadcast: event => relay?.broadcast(event),
  })
  const found = options.plugins ?? (await Promise.all(config.plugins.map(importPlugin)))
  for (const plugin of [...writePolicyPlugins(config, log), ...found])
    plugins.push(await setUp.setup(plugin))
  const together = combine(plugins)
  store.jobsFor(together.jobsFor)
  const judges = judge([...ownPolicies(config), ...together.policies], {
    deadlineMs: POLICY_DEADLINE_MS,
    log,
  })
  policyMetrics(metrics, judges)
  const verify = signatureVerifier(curve)
  admit = admitter({ judge: judges, verify })
  relay = createRelay({
    store,
    judge: judges,
    handles: together.handles,
    verify,
    isOurUrl: url => known().isOurs(url),
    limits: {
      maxFilters: config.relay.maxReqFilterSize,
      maxTagsPerFilter: config.relay.maxTagsPerFilter,
      maxSubIdLength: MAX_SUB_ID,
      maxSubscriptions: config.relay.maxSubsPerConnection,
      maxLimit: config.relay.maxFilterLimit,
      maxCount: config.relay.maxFilterLimitCount,
      maxSyncEvents: config.relay.negentropy.enabled ? config.relay.negentropy.maxSyncEvents : 0,
    },
    clock,
    log,
  })
  const hooks = new Map(plugins.map(plugin => [plugin.name, plugin.hooks]))
  const jobs = runJobs({ store, hooksOf: name => hooks.get(name), clock, log, metrics })

  // 3. Listen.
  let ready = false
  const ipOf = clientAddress({ header: config.relay.realIpHeader, hops: config.relay.realIpHops })
  const { version } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8'))
  const app = createHttp({
    webDir: packageFile('dist/web'),
    origin: () => known().http,
    info: () => relayInfo(config, signer.self, version, together.info()),
    ready: () => ready,
    metrics: () => Registry.merge([metrics, ...plugins.map(plugin => plugin.metrics)]).metrics(),
    contentType: metrics.contentType,
    ipOf,
    log,
    routes: plugins.flatMap(({ hooks: { routes } }) => (routes ? [routes] : [])),
  })
  const server = httpServer(app)
  const lent = pluginSockets({ config, ipOf, paths: together.sockets })
  const pace = clientPace({ ...config.relay.rateLimit, clock, metrics })
  const sockets = serveSockets({ server, relay, config, ipOf, pace, takenByPlugin: lent.take })
  new Gauge({
    name: 'sluice_connections',
    help: 'Open WebSocket connections',
    registers: [metrics],
    collect() {
      this.set(sockets.count())
    },
  })
  await new Promise<void>((listening, failed) => {
    server.once('error', failed)
    server.listen(config.relay.port, config.relay.bind, listening)
  })
  const address = server.address()
  urls = publicUrls(config, typeof address === 'object' && address ? address.port : 0)
  for (const plugin of plugins) await plugin.hooks.start?.()
  jobs.start()
  const sweep = setInterval(() => {
    store
      .removeExpired(Math.floor(clock.now() / 1000))
      .catch(error => log.error({ cause: String(error) }, 'expired events were not taken out'))
  }, EXPIRY_SWEEP_MS)
  ready = true

  return {
    urls,
    self: signer.self,
    store,
    /** No new clients, no new messages; answer what came, end the reactions, say goodbye, close the store. */
    async close() {
      ready = false
      clearInterval(sweep)
      const closed = new Promise<void>(done => server.close(() => done()))
      lent.drain()
      await sockets.drain()
      await jobs.close()
      for (const plugin of [...plugins].reverse()) await plugin.hooks.close?.()
      await Promise.all([sockets.close(), lent.close()])
      server.closeAllConnections()
      await closed
      await store.close()
      letGo()
    },
  }
}

/** A file of the package, from source (relay/) as from the build (dist/relay/). */
export function packageFile(name: string): string {
  const up = import.meta.url.endsWith('.ts') ? '..' : '../..'
  return fileURLToPath(new URL(`${up}/${name}`, import.meta.url))
}
