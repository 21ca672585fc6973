import { mkdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { NostrEvent } from '../../events/index.ts'
import type { Clock, Logger, Plugin } from '../../plugins/plugin.ts'
import { admitter } from '../admit.ts'
import { clientAddress } from '../client-address.ts'
import type { LoadedConfig } from '../config/config.ts'
import { loadCurve } from '../curve.ts'
import { combine, type LoadedPlugin, pluginHost } from '../host.ts'
import { createHttp, httpServer } from '../http.ts'
import { relayInfo } from '../info.ts'
import { runJobs } from '../jobs.ts'
import { judge } from '../judge.ts'
import { importPlugin } from '../loader.ts'
import { ownPolicies } from '../own-policies.ts'
import { pluginSockets } from '../plugin-sockets.ts'
import { type PublicEvents, publicEvents } from '../public-events.ts'
import { packageFile } from '../server.ts'
import { loadSigner } from '../signer.ts'
import { openSqliteStore } from '../store/sqlite/index.ts'
import { holdFolder } from '../store/sqlite/lock.ts'
import { telemetry } from '../telemetry.ts'
import { eventId, signatureVerifier } from '../verify.ts'
import { createInbox } from './inbox.ts'
import { createLink, type Link } from './link.ts'
import { companionOptions, companionUrls } from './options.ts'
import { createOutbox } from './outbox.ts'

const POLICY_DEADLINE_MS = 5000
const EXPIRY_SWEEP_MS = 60_000

export interface RunningCompanion {
  /** Where it serves playback, pages and API. */
  readonly http: string
  readonly self: string
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
  const { config } = loaded
  const own = companionOptions(loaded)
  const metrics = new Registry()
  collectDefaultMetrics({ register: metrics })

  // 1. Store and key: a folder of its own, or the one in which strfry keeps its database.
  const dataDir = resolve(config.db)
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const letGo = holdFolder(dataDir)
  const curve = loadCurve()
  const signer = loadSigner(dataDir, env, curve)
  let port: number | undefined
  const urls = () => {
    if (port === undefined) throw new Error('the public URLs are known once the companion listens')
    return companionUrls(loaded, port)
  }
  const authUrl = config.relay.auth.serviceUrl || relayUrl
  const store = openSqliteStore({
    dir: dataDir,
    clock,
    log,
    vanishesHere: tag => tag === 'ALL_RELAYS' || sameRelay(tag, authUrl),
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
  let admit: ReturnType<typeof admitter> | undefined
  let read: PublicEvents | undefined
  const setUp = pluginHost({
    store: { forPlugin: name => outbox.wrap(store.forPlugin(name)) },
    signer,
    clock,
    log,
    telemetry: telemetry({ log, metrics }),
    dataDir,
    urls,
    admit(value, ctx) {
      if (!admit) throw new Error('events are admitted once the plugins are set up')
      return admit(value, ctx)
    },
    publicEvents: async (filters, ip) => read?.(filters, ip) ?? [],
    slowCalls: () => [],
    // Ephemeral: whoever is not there misses it, here as everywhere.
    broadcast: event =>
      void theLink()
        .publish(event)
        .catch(() => undefined),
  })
  const found =
    options.plugins ?? (await Promise.all(config.plugins.map(name => importPlugin(name))))
  const plugins: LoadedPlugin[] = []
  const services = new Map()
  for (const plugin of found) plugins.push(await setUp.setup(plugin, loaded, services))
  const together = combine(plugins)
  store.jobsFor(together.jobsFor)
  const jobs = runJobs({ store, holding: work => work(together.hooksOf), clock, log, metrics })

  // 3. HTTP: playback, pages, API, on a port of its own.
  const { version } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8'))
  const ipOf = clientAddress({ header: config.relay.realIpHeader, hops: config.relay.realIpHops })
  const app = createHttp({
    origin: () => urls().http,
    self: signer.self,
    read: async (filters, ip) => read?.(filters, ip) ?? [],
    webDir: packageFile('dist/web'),
    info: () => relayInfo(config, signer.self, version, together.info()),
    ready: () => link?.open ?? false,
    metrics: () => Registry.merge([metrics, ...plugins.map(plugin => plugin.metrics)]).metrics(),
    contentType: metrics.contentType,
    ipOf,
    log,
    routes: plugins.flatMap(({ hooks: { routes } }) => (routes ? [routes] : [])),
  })
  const server = httpServer(app.fetch)
  const lent = pluginSockets({ config, ipOf, paths: () => together.sockets })
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    if (!lent.take(request, socket, head)) socket.end('HTTP/1.1 404 Not Found\r\n\r\n')
  })
  await new Promise<void>((listening, failed) => {
    server.once('error', failed)
    server.listen(own.port, own.bind, listening)
  })
  const address = server.address()
  port = typeof address === 'object' && address ? address.port : own.port

  // 4. The relay: what it has goes to the plugins, what they say goes to it.
  const verifies = signatureVerifier(curve)
  const judges = judge(together.policies, { deadlineMs: POLICY_DEADLINE_MS, log })
  // What comes by other ways than the relay has not met its limits.
  const everything = [...ownPolicies(config), ...together.policies]
  const strict = judge(everything, { deadlineMs: POLICY_DEADLINE_MS, log })
  admit = admitter({ judge: strict, verify: verifies })
  read = publicEvents({ judge: strict, store, clock })
  const kindsOf = (pick: (plugin: LoadedPlugin) => readonly number[]) => plugins.flatMap(pick)
  const inbox = createInbox({
    store,
    self: signer.self,
    judge: judges,
    handles: together.handles,
    wanted: kindsOf(plugin => Object.keys(plugin.hooks.onStored ?? {}).map(Number)),
    reads: kindsOf(plugin => plugin.hooks.reads ?? []),
    refusal(event, msg) {
      for (const { hooks } of plugins) {
        const template = hooks.refused?.[event.kind]?.(event, msg)
        if (template) return signer.sign(template)
      }
      return undefined
    },
    ours: outbox.wrap(store.forPlugin('companion')),
    verify: (event: NostrEvent) => eventId(event) === event.id && verifies(event),
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
  for (const plugin of plugins) await plugin.hooks.start?.()
  jobs.start()
  const sweep = setInterval(() => {
    store
      .removeExpired(Math.floor(clock.now() / 1000))
      .catch(error => log.error({ cause: String(error) }, 'expired events were not taken out'))
  }, EXPIRY_SWEEP_MS)

  return {
    http: urls().http,
    self: signer.self,
    /** No new events; ends what is under way. What the relay has not yet taken waits in the outbox. */
    async close() {
      clearInterval(sweep)
      const closed = new Promise<void>(done => server.close(() => done()))
      lent.drain()
      await inbox.close()
      await jobs.close()
      for (const plugin of [...plugins].reverse()) await plugin.hooks.close?.()
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
