import type { Logger, Plugin, Policy } from '../plugins/plugin.ts'
import { complaint } from './complaint.ts'
import type { Config, LoadedConfig } from './config/config.ts'
import { describe } from './describe.ts'
import {
  combine,
  type LoadedPlugin,
  offer,
  optionsOf,
  type PluginHost,
  type Services,
} from './host.ts'
import { type Judge, judge } from './judge.ts'
import { blockName, importPlugin, pluginFiles } from './loader.ts'
import { versionOf } from './plugin-files.ts'
import type { PluginTimes } from './plugin-times.ts'
import type { Rules } from './relay.ts'

const POLICY_DEADLINE_MS = 5000
/** Work that goes on so long after its plugin was replaced is not waited for. */
const LEAVE_MS = 10 * 60_000

type Together = ReturnType<typeof combine>

/** The plugins in force, and what hangs on them. A reload makes another one; nothing in it ever changes. */
export interface Generation extends Together, Omit<Rules, 'limits' | 'handles'> {
  readonly loaded: LoadedConfig
  readonly plugins: readonly LoadedPlugin[]
  /** Resolves once nobody works with it, with false where that takes longer; only after another one took its place. */
  drained(withinMs: number): Promise<boolean>
}

interface Found {
  readonly plugin: Plugin
  /** What it is made of: where that is as it was, it goes on as it is. */
  readonly print: string
}

/** A file, or a package, as it was when it was last imported, whether that went well or not. */
interface Imported {
  readonly files: readonly string[]
  readonly version: string
  readonly plugin: Plugin | undefined
}

/**
 * Loads the plugins, and loads them anew while the relay works. A reload forms a whole generation beside the one in
 * force and then takes its place in one step; what cannot be formed leaves everything as it was. What a generation
 * leaves behind is closed once nobody works with it any more.
 */
export function pluginSet<More extends object>(options: {
  setUp: Pick<PluginHost, 'setup'>
  log: Logger
  times: PluginTimes
  /** Instead of those that the configuration names. */
  given?: readonly Plugin[]
  /** Plugins that stand before those that the configuration lists. */
  first?(config: Config): readonly Plugin[]
  /** Policies that are asked before those of the plugins. */
  ownPolicies?(config: Config): readonly Policy[]
  /** How long what is replaced may finish its work, ms. */
  leaveMs?: number
  /** What else is made anew with each generation. */
  more(loaded: LoadedConfig, plugins: readonly LoadedPlugin[], info: Together['info']): More
}) {
  const { setUp, log, times, given } = options
  type Whole = Generation & More
  const imported = new Map<string, Imported>()
  const prints = new WeakMap<LoadedPlugin, string>()
  const open = new Set<LoadedPlugin>()
  let inForce: Whole | undefined
  let last: Promise<unknown> = Promise.resolve()
  let leaving: Promise<void> = Promise.resolve()

  function current(): Whole {
    if (!inForce) throw new Error('the plugins are not loaded yet')
    return inForce
  }

  /** 1. What the configuration names; files that are as they were are not read again. */
  async function find(loaded: LoadedConfig): Promise<Found[]> {
    const { config } = loaded
    const found: Found[] = []
    const add = (plugin: Plugin, ...made: unknown[]) => {
      const block = loaded.blocks[blockName(plugin.name)]
      found.push({ plugin, print: JSON.stringify([plugin.name, block, ...made]) })
    }
    for (const plugin of options.first?.(config) ?? []) add(plugin, config.relay.writePolicy)
    if (given) for (const plugin of given) add(plugin)
    else
      for (const name of config.plugins) {
        const { plugin, version } = await importUnlessKnown(name)
        add(plugin, name, version)
      }
    return found
  }

  async function importUnlessKnown(name: string): Promise<{ plugin: Plugin; version?: string }> {
    const known = imported.get(name)
    // A package that is being installed is not there for a moment.
    const files = pluginFiles(name) ?? known?.files
    if (files === undefined) return { plugin: await importPlugin(name) }
    const version = versionOf(files)
    if (known?.plugin && known.version === version) return { plugin: known.plugin, version }
    imported.set(name, { files, version, plugin: undefined })
    const plugin = await importPlugin(name, known && files).catch(async error => {
      throw await complaint(error, name, files)
    })
    imported.set(name, { files, version, plugin })
    return { plugin, version }
  }

  /** 2. Sets up what is new beside what goes on; where that fails, what was set up is closed again. */
  async function form(loaded: LoadedConfig): Promise<{ next: Whole; fresh: LoadedPlugin[] }> {
    const found = await find(loaded)
    const services: Services = new Map()
    const plugins: LoadedPlugin[] = []
    const fresh: LoadedPlugin[] = []
    try {
      for (const { plugin, print } of found) {
        const before = inForce?.plugins.find(({ name }) => name === plugin.name)
        if (before && goesOn(before, plugin, print, loaded)) {
          plugins.push(before)
          for (const [name, value] of before.provided) offer(services, plugin.name, name, value)
          continue
        }
        const one = await setUp.setup(plugin, loaded, services).catch(async error => {
          throw await complaint(error, plugin.name, filesOf(plugin))
        })
        prints.set(one, print)
        open.add(one)
        fresh.push(one)
        plugins.push(one)
      }
      const together = combine(plugins, times)
      return { next: generation(loaded, plugins, together), fresh }
    } catch (error) {
      await close(fresh)
      throw error
    }
  }

  function goesOn(
    before: LoadedPlugin,
    plugin: Plugin,
    print: string,
    loaded: LoadedConfig,
  ): boolean {
    if (prints.get(before) === print) return true
    if (before.reloads) return false
    optionsOf(plugin, loaded)
    log.warn(
      { plugin: plugin.name },
      'this plugin cannot be loaded anew beside itself: what changed about it needs a restart',
    )
    return true
  }

  function generation(
    loaded: LoadedConfig,
    plugins: readonly LoadedPlugin[],
    together: Together,
  ): Whole {
    let users = 0
    let idle: (() => void) | undefined
    const policies = [...(options.ownPolicies?.(loaded.config) ?? []), ...together.policies]
    const { pluginOf, info } = together
    return {
      ...options.more(loaded, plugins, info),
      ...together,
      loaded,
      plugins,
      judge: judge(policies, { deadlineMs: POLICY_DEADLINE_MS, log, pluginOf, times }),
      begin() {
        users += 1
      },
      end() {
        users -= 1
        if (users === 0) idle?.()
      },
      drained: withinMs =>
        new Promise<boolean>(resolve => {
          if (users === 0) return resolve(true)
          const late = setTimeout(resolve, withinMs, false)
          late.unref()
          idle = () => {
            clearTimeout(late)
            resolve(true)
          }
        }),
    }
  }

  function enter(next: Whole): void {
    inForce = next
    const services = servicesOf(next.plugins)
    for (const plugin of next.plugins) plugin.meet(services)
  }

  /** 3. From one step to the next everybody meets the new ones. A start that fails takes it all back. */
  async function takeOver({ next, fresh }: Awaited<ReturnType<typeof form>>): Promise<void> {
    const before = current()
    enter(next)
    try {
      for (const plugin of fresh) await plugin.hooks.start?.()
    } catch (error) {
      enter(before)
      retire(next, fresh)
      throw error
    }
    retire(
      before,
      before.plugins.filter(plugin => !next.plugins.includes(plugin)),
    )
  }

  /** 4. One after the other, so that a plugin of several generations has left all of them. */
  function retire(left: Generation, gone: readonly LoadedPlugin[]): void {
    leaving = leaving
      .then(() => left.drained(options.leaveMs ?? LEAVE_MS))
      .then(idle => {
        if (!idle && gone.length > 0)
          log.warn(
            { plugins: gone.map(({ name }) => name) },
            'these plugins were replaced and are closed now, although work of theirs has not ended',
          )
        return close(gone)
      })
  }

  async function close(plugins: readonly LoadedPlugin[]): Promise<void> {
    for (const plugin of [...plugins].reverse()) {
      if (!open.delete(plugin)) continue
      await plugin.hooks
        .close?.()
        .catch(error =>
          log.error(
            { plugin: plugin.name, cause: describe(error) },
            'a plugin was not closed well',
          ),
        )
    }
  }

  /** Works with the plugins of the moment, which stay open until it has ended. */
  async function holding<T>(work: (now: Whole) => T | Promise<T>): Promise<T> {
    const held = current()
    held.begin()
    try {
      return await work(held)
    } finally {
      held.end()
    }
  }

  const filesOf = (plugin: Plugin): readonly string[] =>
    [...imported.values()].find(one => one.plugin === plugin)?.files ?? []

  return {
    current,
    holding,
    /** Decides by the generation of the moment, and holds it while it does. */
    judge: {
      write: (event, ctx) => held(current(), now => now.judge.write(event, ctx)),
      read: (request, ctx) => held(current(), now => now.judge.read(request, ctx)),
      get visibleKinds() {
        return current().judge.visibleKinds
      },
      shows: (event, authed) => current().judge.shows(event, authed),
    } satisfies Judge,

    /** Before the relay listens; throws a sentence. */
    async load(loaded: LoadedConfig): Promise<void> {
      enter((await form(loaded)).next)
    },
    async start(): Promise<void> {
      for (const plugin of current().plugins) await plugin.hooks.start?.()
    },
    /** In turn with other reloads. Throws a sentence, and then nothing has changed. */
    reload(loaded: () => LoadedConfig): Promise<void> {
      const mine = last.then(async () => takeOver(await form(loaded())))
      last = mine.catch(() => undefined)
      return mine
    },
    /** The plugins that are files or packages, by what the configuration calls them, as they were last imported. */
    imported: imported as ReadonlyMap<string, Imported>,
    /** Ends all, whoever still works with them. */
    async close(): Promise<void> {
      await last
      await close([...open])
    },
  }
}

export type PluginSet = ReturnType<typeof pluginSet<object>>

function held<T>(rules: Generation, work: (rules: Generation) => T | Promise<T>): T | Promise<T> {
  const answer = work(rules)
  if (!(answer instanceof Promise)) return answer
  rules.begin()
  return answer.finally(() => rules.end())
}

function servicesOf(plugins: readonly LoadedPlugin[]): Services {
  const services: Services = new Map()
  for (const { name, provided } of plugins)
    for (const [service, value] of provided) offer(services, name, service, value)
  return services
}
