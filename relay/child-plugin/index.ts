import { basename, extname } from 'node:path'
import { Counter, Histogram } from 'prom-client'
import { type Filter, kinds, type NostrEvent, sessionKinds, tagValue } from '../../events/index.ts'
import {
  accept,
  type Decision,
  definePlugin,
  type Hooks,
  type Host,
  type Plugin,
  type Policy,
  reject,
} from '../../plugins/plugin.ts'
import { newRequest, readRequest, type StdioReply } from '../../plugins/strfry.ts'
import { type ChildOptions, childOptions } from './options.ts'
import { createRunner } from './runner.ts'

const DEFAULTS = { timeoutSeconds: 10, onFailure: 'reject', pipeline: false, read: false, env: [] }

/**
 * Any strfry plugin, in any language, as a plugin of this relay: strfry's own protocol, with deadlines that hold.
 * Its block is its file's name in camelCase; what stands there wins over `settings`.
 *
 * @example
 * childPlugin({ command: './plugins/no-spam.py' }) // noSpam { timeoutSeconds = 2 }
 */
export function childPlugin(options: {
  command: string
  name?: string
  settings?: ChildOptions
}): Plugin<ChildOptions> {
  const { command, name = nameOf(command), settings } = options
  return definePlugin({
    name,
    options: childOptions,
    setup: (host, block) => run(host, name, command, { ...settings, ...block }),
  })
}

function run(host: Host, name: string, command: string, given: ChildOptions): Hooks {
  const options = { ...DEFAULTS, ...given }
  const timeoutMs = options.timeoutSeconds * 1000
  const seconds = new Histogram({
    name: 'sluice_child_plugin_seconds',
    help: 'Time that a child plugin took to answer',
    labelNames: ['plugin'],
    buckets: [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10],
    registers: [host.metrics],
  })
  const faults = new Counter({
    name: 'sluice_child_plugin_faults_total',
    help: 'How often a child plugin had to be ended',
    labelNames: ['plugin'],
    registers: [host.metrics],
  })
  const runner = createRunner({
    command,
    env: options.env,
    timeoutMs,
    pipeline: options.pipeline,
    log: host.log,
    onFault: () => faults.inc({ plugin: name }),
  })

  async function verdict(id: string, request: object, mayPass: () => boolean): Promise<Decision> {
    const done = seconds.startTimer({ plugin: name })
    try {
      return decisionFrom(await runner.ask(id, `${JSON.stringify(request)}\n`))
    } catch (error) {
      const passes = options.onFailure === 'accept' && mayPass()
      const cause = error instanceof Error ? error.message : String(error)
      host.log.warn({ id, passes, cause }, 'a plugin gave no answer')
      return passes ? accept : reject('error: internal error')
    } finally {
      done()
    }
  }

  let reads = 0
  const policy: Policy = {
    name,
    // Its own deadline comes first; this is the stop for a mistake in it.
    deadlineMs: timeoutMs + 2000,
    writeKinds: options.kinds,
    write: (event, ctx) => verdict(event.id, newRequest(event, ctx), () => !isPaid(event)),
    ...(options.read && {
      read(request, ctx) {
        reads += 1
        const id = `read-${reads}`
        return verdict(id, readRequest(id, request, ctx), () => !request.filters.some(asksForPaid))
      },
    }),
  }
  return {
    policies: [policy],
    start: async () => runner.start(),
    close: runner.close,
  }
}

function decisionFrom({ action, msg }: StdioReply): Decision {
  if (action === 'accept') return accept
  if (action === 'shadowReject') return { action }
  // strfry passes the plugin's sentence on as it is.
  return reject(msg || 'blocked: the policy of this relay does not take this')
}

const paidKinds: readonly number[] = [...sessionKinds, kinds.AccessGrant, kinds.QualityRequest]

/** What must never pass unasked. */
const isPaid = (event: NostrEvent): boolean =>
  paidKinds.includes(event.kind) ||
  (event.kind === kinds.LiveStream && tagValue(event, 'price') !== undefined)

const asksForPaid = (filter: Filter): boolean =>
  filter.kinds === undefined || filter.kinds.some(kind => paidKinds.includes(kind))

/** `./plugins/No_Spam.py` -> `no-spam`. */
export function nameOf(command: string): string {
  const file = basename(command.split(' ')[0] ?? '')
  const stem = basename(file, extname(file)).toLowerCase()
  return stem.replace(/[^a-z0-9]+/g, '-').replace(/^[^a-z]+|-+$/g, '') || 'child'
}
