import { randomBytes } from 'node:crypto'
import { Registry } from 'prom-client'
import { isEphemeral, type NostrEvent } from '../events/index.ts'
import {
  type Clock,
  type Decision,
  type Hooks,
  type Host,
  type Logger,
  type Plugin,
  type Policy,
  reject,
  type Service,
  type Telemetry,
} from '../plugins/plugin.ts'
import { describeIssue, type LoadedConfig } from './config/config.ts'
import { isDecision } from './judge.ts'
import { blockName } from './loader.ts'
import type { PluginTimes, Stopwatch } from './plugin-times.ts'
import type { Signer } from './signer.ts'
import type { RelayStore, Wanted } from './store/store.ts'

/** The live objects that plugins offer to each other. */
export type Services = Map<string, unknown>

/** A plugin that has been set up. */
export interface LoadedPlugin {
  readonly name: string
  readonly reloads: boolean
  /** What it provides itself. */
  readonly provided: ReadonlyMap<string, unknown>
  /** Lets it use what the plugins provide that are in force with it. */
  meet(services: Services): void
  readonly hooks: Hooks
  readonly policies: readonly Policy[]
  readonly metrics: Registry
}

/** Sets plugins up, one after the other, each with a Host of its own. */
export function pluginHost(options: {
  store: Pick<RelayStore, 'forPlugin'>
  signer: Signer
  clock: Clock
  log: Logger
  telemetry: Telemetry
  dataDir: string
  urls: Host['urls']
  admit: Host['admit']
  publicEvents: Host['publicEvents']
  slowCalls: Host['slowCalls']
  /** Passes an event on that is not stored. */
  broadcast(event: NostrEvent): void
}) {
  const { store, signer, clock } = options

  function hostFor(plugin: string, metrics: Registry, around: Around): Host {
    const own = store.forPlugin(plugin)
    return {
      self: signer.self,
      urls: options.urls,
      dataDir: options.dataDir,
      store: own,
      clock,
      log: withPlugin(options.log, plugin),
      metrics,
      telemetry: options.telemetry,
      admit: options.admit,
      publicEvents: options.publicEvents,
      slowCalls: options.slowCalls,
      sign: signer.sign,
      async publish(template) {
        const event = signer.sign(template)
        if (isEphemeral(event.kind)) options.broadcast(event)
        else await own.transaction(tx => tx.putEvent(event))
        return event
      },
      encrypt: signer.encrypt,
      decrypt: signer.decrypt,
      signDigest: signer.signDigest,
      random: bytes => randomBytes(bytes),
      provide<T>(service: Service<T>, value: T) {
        offer(around.services, plugin, service.name, value)
        around.provided.set(service.name, value)
      },
      use<T>(service: Service<T>): T {
        if (!around.services.has(service.name))
          throw new Error(`plugin ${plugin} needs ${service.name}, which no loaded plugin provides`)
        return around.services.get(service.name) as T
      },
    }
  }

  return {
    /** Reads the plugin's options and sets it up; throws a sentence where it cannot. */
    async setup(plugin: Plugin, loaded: LoadedConfig, services: Services): Promise<LoadedPlugin> {
      const settings = optionsOf(plugin, loaded)
      const metrics = new Registry()
      const around: Around = { services, provided: new Map() }
      const host = hostFor(plugin.name, metrics, around)
      const first = (await plugin.policies?.(host, settings)) ?? []
      const hooks = await plugin.setup(host, settings)
      return {
        name: plugin.name,
        reloads: plugin.reloads ?? true,
        hooks,
        policies: [...first, ...(hooks.policies ?? [])],
        metrics,
        provided: around.provided,
        meet(others) {
          around.services = others
        },
      }
    },

    /** Sets up the plugin's policies alone, for a host that only decides. */
    async decide(plugin: Plugin, loaded: LoadedConfig, services: Services): Promise<LoadedPlugin> {
      const settings = optionsOf(plugin, loaded)
      const metrics = new Registry()
      const around: Around = { services, provided: new Map() }
      const host = hostFor(plugin.name, metrics, around)
      const hooks: Hooks = plugin.policies
        ? { policies: await plugin.policies(host, settings) }
        : await plugin.setup(host, settings)
      const { handles = {}, policies = [], close } = hooks
      return {
        name: plugin.name,
        reloads: plugin.policies !== undefined || (plugin.reloads ?? true),
        hooks: { close },
        policies: [...keptFromReaders(handles), ...policies],
        metrics,
        provided: around.provided,
        meet(others) {
          around.services = others
        },
      }
    },
  }
}

export type PluginHost = ReturnType<typeof pluginHost>

interface Around {
  services: Services
  readonly provided: Services
}

/** Adds to what plugins provide; two of a name are a mistake. */
export function offer(services: Services, plugin: string, name: string, value: unknown): void {
  if (services.has(name))
    throw new Error(`plugin ${plugin}: ${name} is provided by another plugin already`)
  services.set(name, value)
}

/** The plugin's options from its block; throws a sentence with the line of the first mistake. */
export function optionsOf(plugin: Plugin, loaded: LoadedConfig): unknown {
  const block = blockName(plugin.name)
  const read = plugin.options.safeParse(loaded.blocks[block] ?? {})
  if (read.success) return read.data
  throw new Error(describeIssue(read.error.issues[0], loaded.file, loaded.lineOf, [block]))
}

/** Our relay shows an ephemeral event that is handled to nobody; a relay that only asks us would send it to all. */
function keptFromReaders(handles: NonNullable<Hooks['handles']>): Policy[] {
  const writeKinds = Object.keys(handles).map(Number).filter(isEphemeral)
  if (writeKinds.length === 0) return []
  const msg = 'blocked: this kind is not taken here, this relay would show it to everybody'
  return [{ name: 'kept-from-readers', writeKinds, write: () => reject(msg) }]
}

/** Owns storing a kind. */
export type Handler = NonNullable<Hooks['handles']>[number]

/** What the relay needs of all its plugins together. Two that own the same kind are a mistake. */
export function combine(plugins: readonly LoadedPlugin[], times?: PluginTimes) {
  const handles = new Map<number, Handler>()
  const wanted = new Map<number, Wanted[]>()
  const sockets = new Map<string, NonNullable<Hooks['sockets']>[string]>()
  const byName = new Map<string, Hooks>()
  const pluginOf = new Map<Policy, string>()
  for (const { name, hooks, policies } of plugins) {
    if (byName.has(name)) throw new Error(`plugin ${name} is loaded twice, name it once`)
    byName.set(name, hooks)
    for (const policy of policies) pluginOf.set(policy, name)
    for (const [kind, handler] of Object.entries(hooks.handles ?? {})) {
      if (handles.has(Number(kind)))
        throw new Error(`plugin ${name}: kind ${kind} is handled by another plugin already`)
      handles.set(Number(kind), checked(name, handler, times?.of(name, 'handle')))
    }
    for (const [kind, reaction] of Object.entries(hooks.onStored ?? {})) {
      const when = typeof reaction === 'function' ? undefined : reaction.when
      wanted.set(Number(kind), [...(wanted.get(Number(kind)) ?? []), { plugin: name, when }])
    }
    for (const [path, serve] of Object.entries(hooks.sockets ?? {})) {
      if (sockets.has(path))
        throw new Error(`plugin ${name}: ${path} is served by another plugin already`)
      sockets.set(path, serve)
    }
  }
  return {
    handles,
    policies: plugins.flatMap(({ policies }) => policies),
    sockets,
    jobsFor: (kind: number): readonly Wanted[] => wanted.get(kind) ?? [],
    hooksOf: (name: string) => byName.get(name),
    pluginOf: (policy: Policy) => pluginOf.get(policy),
    info: () => plugins.map(({ hooks }) => hooks.info?.() ?? {}),
  }
}

/** Its time counts, and what is no decision (JavaScript forgets easily) stores nothing: the kind is the plugin's. */
function checked(plugin: string, handler: Handler, times: Stopwatch | undefined): Handler {
  const decided = (answer: unknown): Decision => {
    if (isDecision(answer)) return answer
    throw new Error(`plugin ${plugin}: its handler gave no decision`)
  }
  return (event, ctx) => {
    const startedAt = performance.now()
    const answer: unknown = handler(event, ctx)
    if (answer === 'store') return answer
    return Promise.resolve(answer)
      .then(decided)
      .finally(() => times?.took(performance.now() - startedAt, event))
  }
}

function withPlugin(log: Logger, plugin: string): Logger {
  return {
    debug: (fields, text) => log.debug({ plugin, ...fields }, text),
    info: (fields, text) => log.info({ plugin, ...fields }, text),
    warn: (fields, text) => log.warn({ plugin, ...fields }, text),
    error: (fields, text) => log.error({ plugin, ...fields }, text),
  }
}
