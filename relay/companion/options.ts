import { z } from 'zod'
import { describeIssue, type LoadedConfig } from '../config/config.ts'

/** The `companion { }` block of strfry.conf: our reactions beside strfry. */
const shape = z.object({
  /** Where it serves playback, pages and API. */
  bind: z.string().default('127.0.0.1'),
  port: z.int().min(0).max(65_535).default(7778),
  /** The public address of that; absent: relay.auth.serviceUrl as http(s), one address for both. */
  publicUrl: z.string().default(''),
  /** What is read again after a pause: covers clocks and created_at that are off by so much. */
  overlapSeconds: z.int().min(60).default(3600),
})
export type CompanionOptions = z.output<typeof shape>

/** Reads the block; throws a sentence with its line. */
export function companionOptions(loaded: LoadedConfig): CompanionOptions {
  const read = shape.safeParse(loaded.blocks.companion ?? {})
  if (read.success) return read.data
  const issue = read.error.issues[0]
  throw new Error(describeIssue(issue, loaded.file, loaded.lineOf, ['companion']))
}

/** Public addresses: WebSocket at strfry, HTTP at the companion (which listens on `port`). */
export function companionUrls(loaded: LoadedConfig, port?: number): { ws: string; http: string } {
  const options = companionOptions(loaded)
  const { bind, port: relayPort, auth } = loaded.config.relay
  const service = auth.serviceUrl.replace(/\/+$/, '')
  const local = `http://${reachable(options.bind)}:${port ?? options.port}`
  return {
    ws: service || `ws://${reachable(bind)}:${relayPort}`,
    http: options.publicUrl.replace(/\/+$/, '') || service.replace(/^ws/, 'http') || local,
  }
}

/** An address under which a wildcard can be reached from here. */
const reachable = (bind: string): string => {
  if (bind === '0.0.0.0' || bind === '::') return '127.0.0.1'
  return bind.includes(':') ? `[${bind}]` : bind
}
