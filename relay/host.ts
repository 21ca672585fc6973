import { randomBytes } from 'node:crypto'
import { Registry } from 'prom-client'
import { isEphemeral, type NostrEvent } from '../events/index.ts'
import {
  type Clock,
  type Hooks,
  type Host,
  type Logger,
  type Plugin,
  type Policy,
  reject,
  type Service,
} from '../plugins/plugin.ts'
import { describeIssue, type LoadedConfig } from './config/config.ts'
import { blockName } from './loader.ts'
import type { Signer } from './signer.ts'
import type { RelayStore, Wanted } from './store/store.ts'

/** A plugin that has been set up. */
export interface LoadedPlugin {
  readonly name: string
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
  dataDir: string
  urls: Host['urls']
  loaded: LoadedConfig
  admit: Host['admit']
  /** Passes an event on that is not stored. */
  broadcast(event: NostrEvent): void
}) {
  const { store, signer, clock, loaded } = options
  const services = new Map<string, unknown>()

  function hostFor(plugin: string, metrics: Registry): Host {
    const own = store.forPlugin(plugin)
    return {
      self: signer.self,
      urls: options.urls,
      dataDir: options.dataDir,
      store: own,
      clock,
      log: withPlugin(options.log, plugin),
      metrics,
      admit: options.admit,
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
        if (services.has(service.name))
          throw new Error(`plugin ${plugin}: ${service.name} is provided by another plugin already`)
        services.set(service.name, value)
      },
      use<T>(service: Service<T>): T {
        if (!services.has(service.name))
          throw new Error(`plugin ${plugin} needs ${service.name}, which no loaded plugin provides`)
        return services.get(service.name) as T
      },
    }
  }

  function prepare(plugin: Plugin) {
    const block = blockName(plugin.name)
    const read = plugin.options.safeParse(loaded.blocks[block] ?? {})
    if (!read.success)
      throw new Error(describeIssue(read.error.issues[0], loaded.file, loaded.lineOf, [block]))
    const metrics = new Registry()
    return { host: hostFor(plugin.name, metrics), settings: read.data, metrics }
  }

  return {
    async setup(plugin: Plugin): Promise<LoadedPlugin> {
      const { host, settings, metrics } = prepare(plugin)
      const first = (await plugin.policies?.(host, settings)) ?? []
      const hooks = await plugin.setup(host, settings)
      const policies = [...first, ...(hooks.policies ?? [])]
      return { name: plugin.name, hooks, policies, metrics }
    },

    /** The plugin's policies alone, for a host that only decides. */
    async decide(plugin: Plugin): Promise<readonly Policy[]> {
      const { host, settings } = prepare(plugin)
      if (plugin.policies) return plugin.policies(host, settings)
      const { handles = {}, policies = [] } = await plugin.setup(host, settings)
      return [...keptFromReaders(handles), ...policies]
    },
  }
}

/** Our relay shows an ephemeral event that is handled to nobody; a relay that only asks us would send it to all. */
function keptFromReaders(handles: NonNullable<Hooks['handles']>): Policy[] {
  const writeKinds = Object.keys(handles).map(Number).filter(isEphemeral)
  if (writeKinds.length === 0) return []
  const msg = 'blocked: this kind is not taken here, this relay would show it to everybody'
  return [{ name: 'kept-from-readers', writeKinds, write: () => reject(msg) }]
}

/** What the relay needs of all its plugins together. Two that own the same kind are a mistake. */
export function combine(plugins: readonly LoadedPlugin[]) {
  const handles = new Map<number, NonNullable<Hooks['handles']>[number]>()
  const wanted = new Map<number, Wanted[]>()
  const sockets = new Map<string, NonNullable<Hooks['sockets']>[string]>()
  for (const { name, hooks } of plugins) {
    for (const [kind, handler] of Object.entries(hooks.handles ?? {})) {
      if (handles.has(Number(kind)))
        throw new Error(`plugin ${name}: kind ${kind} is handled by another plugin already`)
      handles.set(Number(kind), handler)
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
    info: () => plugins.map(({ hooks }) => hooks.info?.() ?? {}),
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
