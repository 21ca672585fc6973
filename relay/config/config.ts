import { existsSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import { privateKinds } from '../../events/index.ts'
import { addressList } from '../../policies/source.ts'
import { childOptions } from '../child-plugin/options.ts'
import { type ConfBlock, ConfError, type ConfValue, isBlock, parseTaoConf } from './taoconf.ts'

const count = z.int().min(0)
const kindsInText = z
  .string()
  .regex(/^\s*(\d+\s*(,\s*\d+\s*)*)?$/, 'needs kinds with commas between, "4,1059"')

/** strfry's keys, with strfry's meaning and defaults (facts: strfry.conf), and the few of our own at the top. */
const schema = z.object({
  /** The folder of all state. */
  db: z.string().default('./sluice-db/'),
  /** Plugins in the order in which their policies are asked: built-in names, or paths of files. */
  plugins: z
    .array(z.string())
    .default([
      'management',
      'rate-limit',
      'live-stream',
      'payment-stream',
      'access-grant',
      'playback',
      'live-chat',
    ]),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  /** A call of a plugin that takes longer is named in the log, once a minute at most; 0 names none. */
  slowPluginMs: count.default(250),
  events: z
    .object({
      maxEventSize: count.default(65_536),
      rejectEventsNewerThanSeconds: count.default(900),
      rejectEventsOlderThanSeconds: count.default(94_608_000),
      rejectEphemeralEventsOlderThanSeconds: count.default(60),
      maxNumTags: count.default(2000),
      maxTagValSize: count.default(1024),
      /** NIP-13: leading zero bits that an event's id needs; 0 asks for none. */
      minPowDifficulty: count.default(0),
    })
    .prefault({}),
  relay: z
    .object({
      bind: z.string().default('127.0.0.1'),
      port: z.int().min(0).max(65_535).default(7777),
      realIpHeader: z.string().default(''),
      /** Trusted proxies in front: the client's address stands so far from the right in realIpHeader. */
      realIpHops: z.int().min(1).default(1),
      /** What one network (an IPv4 address, an IPv6 /64) may do; 0 switches a limit off. */
      rateLimit: z
        .object({
          messagesPerSecond: z.number().min(0).default(200),
          messageBurst: z.int().min(1).default(2000),
          connectionsPerIp: count.default(200),
          exempt: addressList,
        })
        .prefault({}),
      auth: z
        .object({
          enabled: z.boolean().default(true),
          /** The relay's public URL (wss://...): what AUTH events name, and what playback URLs begin with. */
          serviceUrl: z.string().default(''),
          /** Kinds that only their author and `p` may read, with commas between; ours are always among them. */
          restrictedReadKinds: kindsInText.default(privateKinds.join(',')),
          /** False: of those kinds that are not ours, whoever has authenticated may read. */
          restrictReadToInvolvedPubkey: z.boolean().default(true),
        })
        .prefault({}),
      info: z
        .object({
          name: z.string().default('Sluice'),
          description: z.string().default('A relay that sells live streams by the second'),
          pubkey: z.string().default(''),
          contact: z.string().default(''),
          icon: z.string().default(''),
          banner: z.string().default(''),
          privacy: z.string().default(''),
          terms: z.string().default(''),
          /** Instead of the NIPs that we speak: a list in JSON, "[1,11]". */
          nips: z
            .string()
            .regex(/^\s*(\[[\d\s,]*\]\s*)?$/, 'needs a list in JSON, "[1,11]"')
            .default(''),
        })
        .prefault({}),
      maxWebsocketPayloadSize: count.default(131_072),
      maxReqFilterSize: count.default(200),
      /** 0: never. */
      autoPingSeconds: count.default(55),
      enableTcpKeepalive: z.boolean().default(false),
      maxFilterLimit: count.default(500),
      maxTagsPerFilter: count.default(20),
      /** 0 turns COUNT off. */
      maxFilterLimitCount: count.default(1_000_000),
      maxSubsPerConnection: count.default(200),
      /** 0: without limit. */
      maxPendingOutboundBytes: count.default(33_554_432),
      negentropy: z
        .object({ enabled: z.boolean().default(true), maxSyncEvents: count.default(100_000) })
        .prefault({}),
      /** A plugin program as strfry runs it, and what our relay adds to that (child-plugin/index.ts). */
      writePolicy: z
        .object({
          plugin: z.string().default(''),
          timeoutSeconds: z.number().min(0).default(10),
          ...childOptions.omit({ timeoutSeconds: true }).shape,
        })
        .prefault({}),
      compression: z
        .object({
          enabled: z.boolean().default(false),
          /** Keeps 64 KB a connection to compress better. */
          slidingWindow: z.boolean().default(true),
        })
        .prefault({}),
      logging: z
        .object({
          dumpInAll: z.boolean().default(false),
          dumpInEvents: z.boolean().default(false),
          dumpInReqs: z.boolean().default(false),
          dbScanPerf: z.boolean().default(false),
          invalidEvents: z.boolean().default(false),
        })
        .prefault({}),
      filterValidation: z
        .object({
          enabled: z.boolean().default(false),
          maxFiltersPerReq: count.default(3),
          minFiltersPerReq: count.default(1),
          maxKindsPerFilter: count.default(3),
          allowedKinds: kindsInText.default(''),
          requireAuthorOrTag: z.boolean().default(false),
        })
        .prefault({}),
    })
    .prefault({}),
})

/** `"4, 1059"` -> [4, 1059] */
export const kindList = (text: string): number[] =>
  text.split(',').flatMap(kind => (kind.trim() === '' ? [] : [Number(kind)]))

export type Config = z.output<typeof schema>

/**
 * Keys of strfry that say nothing here: LMDB and its threads; ephemeral events, which are never stored; the limit of open
 * files, which Node raises as far as it may; and `self`, which is our key's.
 */
const NOT_APPLICABLE = [
  'dbParams',
  'mmap',
  'events.ephemeralEventsLifetimeSeconds',
  'relay.nofiles',
  'relay.queryTimesliceBudgetMicroseconds',
  'relay.numThreads',
  'relay.info.self',
]

export interface LoadedConfig {
  readonly file: string | undefined
  readonly config: Config
  /** A plugin's own block, by its name in camelCase, and where it stands. */
  readonly blocks: Readonly<Record<string, unknown>>
  /** The line of a key (dotted), where the file has it. */
  lineOf(path: readonly PropertyKey[]): number | undefined
  /** Keys that strfry knows and we do not need, and keys that nobody knows. */
  readonly ignored: readonly string[]
  readonly unknown: readonly string[]
}

/**
 * Reads the configuration: --config FILE, STRFRY_CONFIG, /etc/strfry.conf or ./strfry.conf, then each --set
 * key=value over it. Throws a sentence with file and line for the first mistake.
 */
export function loadConfig(args: {
  file?: string
  set: readonly string[]
  env: NodeJS.ProcessEnv
}): LoadedConfig {
  const file = findFile(args.file, args.env)
  const tree = file === undefined ? emptyTree() : readTree(file)
  for (const setting of args.set) applySetting(tree, setting)
  const plain = toPlain(tree)
  const read = schema.safeParse(plain)
  const lineOf = (path: readonly PropertyKey[]) => lineIn(tree, path)
  if (!read.success) throw new Error(describeIssue(read.error.issues[0], file, lineOf))
  const own = Object.keys(schema.shape)
  const blocks = Object.fromEntries(Object.entries(plain).filter(([key]) => !own.includes(key)))
  const extra = surplus(plain, schema, '').filter(path => !(path in blocks))
  const applicable = (path: string) =>
    !NOT_APPLICABLE.some(known => path === known || path.startsWith(`${known}.`))
  const isIgnored = (path: string) => !applicable(path) || path.startsWith('dbParams')
  const ignoredBlocks = Object.keys(blocks).filter(isIgnored)
  for (const name of ignoredBlocks) delete blocks[name]
  return {
    file,
    config: read.data,
    blocks,
    lineOf,
    ignored: [...extra.filter(isIgnored), ...ignoredBlocks],
    unknown: extra.filter(path => !isIgnored(path)),
  }
}

/** `relay.port: Expected number (strfry.conf, line 12)`. */
export function describeIssue(
  issue: { path: readonly PropertyKey[]; message: string } | undefined,
  file: string | undefined,
  lineOf: LoadedConfig['lineOf'],
  prefix: readonly PropertyKey[] = [],
): string {
  const path = [...prefix, ...(issue?.path ?? [])]
  const line = lineOf(path)
  const place = line === undefined ? '--set' : `${file}, line ${line}`
  return `${path.join('.')}: ${issue?.message ?? 'is wrong'} (${place})`
}

function findFile(asked: string | undefined, env: NodeJS.ProcessEnv): string | undefined {
  const named = asked ?? env.STRFRY_CONFIG
  if (named !== undefined) {
    if (!existsSync(named)) throw new Error(`the configuration file ${named} does not exist`)
    return named
  }
  return ['/etc/strfry.conf', './strfry.conf'].find(existsSync)
}

function readTree(file: string): ConfBlock {
  try {
    return parseTaoConf(readFileSync(file, 'utf8'))
  } catch (error) {
    throw error instanceof ConfError ? new Error(`${file}, ${error.message}`) : error
  }
}

const emptyTree = (): ConfBlock => ({ line: 0, entries: new Map() })

function applySetting(tree: ConfBlock, setting: string): void {
  const [, path, text] = /^([A-Za-z_][\w.]*)=([\s\S]*)$/.exec(setting) ?? []
  if (!path || text === undefined) throw new Error(`--set ${setting}: it needs to be key=value`)
  const names = path.split('.')
  const last = names.pop() ?? ''
  let block = tree
  for (const name of names) {
    const next = block.entries.get(name)
    const inner = next && isBlock(next) ? next : emptyTree()
    block.entries.set(name, inner)
    block = inner
  }
  block.entries.set(last, { line: 0, value: scalar(text) })
}

/** `--set relay.port=0` is a number; what is no value of the language is taken for a text. */
function scalar(text: string): ConfValue {
  try {
    const entry = parseTaoConf(`x = ${text}`).entries.get('x')
    return entry && !isBlock(entry) ? entry.value : text
  } catch {
    return text
  }
}

function toPlain(block: ConfBlock): Record<string, unknown> {
  const plain: Record<string, unknown> = Object.create(null)
  for (const [name, entry] of block.entries)
    plain[name] = isBlock(entry) ? toPlain(entry) : entry.value
  return plain
}

function lineIn(tree: ConfBlock, path: readonly PropertyKey[]): number | undefined {
  let line = 0
  let block: ConfBlock | undefined = tree
  for (const name of path) {
    const entry = block?.entries.get(String(name))
    if (!entry) break
    line = entry.line
    block = isBlock(entry) ? entry : undefined
  }
  return line || undefined
}

/** Dotted names of what stands in the file and not in the schema. */
function surplus(plain: Record<string, unknown>, shape: z.ZodType, prefix: string): string[] {
  const inner = unwrap(shape)
  if (!(inner instanceof z.ZodObject)) return []
  return Object.entries(plain).flatMap(([key, value]) => {
    const known: z.ZodType | undefined = inner.shape[key]
    if (!known) return [prefix + key]
    const nested = typeof value === 'object' && value !== null && !Array.isArray(value)
    return nested ? surplus(value as Record<string, unknown>, known, `${prefix}${key}.`) : []
  })
}

function unwrap(shape: z.ZodType): z.ZodType {
  if (shape instanceof z.ZodDefault || shape instanceof z.ZodPrefault)
    return unwrap(shape.unwrap() as z.ZodType)
  return shape
}
