import { z } from 'zod'
import { kinds, type NostrEvent } from '../events/index.ts'
import {
  accept,
  type Decision,
  definePolicy,
  type Logger,
  type Policy,
  reject,
} from '../plugins/plugin.ts'
import { isDomain, namesAt } from './well-known.ts'

const options = z.object({
  domains: z
    .array(z.string().toLowerCase().refine(isDomain, 'needs a domain such as "example.com"'))
    .min(1, 'needs at least one domain'),
  refreshSeconds: z.int().min(1).max(86_400).default(900),
  timeoutMs: z.int().min(1).default(5000),
  /** Of one nostr.json. */
  maxBytes: z.int().min(1).default(4_000_000),
})

/** Names that are being looked up at a time, and pubkeys known by a look-up of their own. */
const MAX_PENDING = 16
const MAX_CLAIMS = 10_000
const FAILED_FOR_MS = 60_000

interface Claim {
  readonly name: string
  readonly domain: string
}

/**
 * Takes events of pubkeys that one of the domains names in its nostr.json (NIP-05). The files are read in the background
 * every `refreshSeconds`, never while an event waits; one that cannot be read leaves what it said before. Where a domain
 * answers for single names only, an author's profile (kind 0) says which to look up.
 *
 * @example
 * nip05Domains({ domains: ['example.com'] })
 */
export function nip05Domains(options: {
  domains: readonly string[]
  refreshSeconds?: number
  timeoutMs?: number
  maxBytes?: number
  log?: Pick<Logger, 'warn'>
}): Policy {
  const { domains, refreshSeconds = 900, timeoutMs = 5000, maxBytes = 4_000_000, log } = options
  const wrong = domains.find(domain => !isDomain(domain))
  if (domains.length === 0 || wrong !== undefined)
    throw new Error(`nip05-domains needs domains such as example.com, not "${wrong ?? ''}"`)
  const gone = new AbortController()
  const limits = { timeoutMs, maxBytes, signal: gone.signal }
  const listed = new Map<string, ReadonlySet<string>>()
  const claims = new Map<string, Claim>()
  const pending = new Map<string, Promise<void>>()
  const failed = new Map<string, number>()
  const where =
    domains.length > 3 ? `${domains.slice(0, 3).join(', ')} and others` : domains.join(', ')
  let timer: NodeJS.Timeout | undefined

  const isNamed = (pubkey: string): boolean =>
    claims.has(pubkey) || domains.some(domain => listed.get(domain)?.has(pubkey))

  async function readDomain(domain: string): Promise<void> {
    try {
      listed.set(domain, new Set((await namesAt(domain, limits)).values()))
    } catch (error) {
      if (!gone.signal.aborted)
        log?.warn({ domain, cause: describe(error) }, 'a nostr.json was not read, its names stay')
    }
  }

  /** A claim that is not true any more goes; one that nobody answers for now stays. */
  async function check(pubkey: string, { name, domain }: Claim): Promise<boolean> {
    const names = await namesAt(domain, { ...limits, name })
    const holds = names.get(name) === pubkey
    if (!holds) claims.delete(pubkey)
    return holds
  }

  async function refresh(): Promise<void> {
    await Promise.all(domains.map(readDomain))
    for (const [pubkey, claim] of [...claims])
      if (!gone.signal.aborted) await check(pubkey, claim).catch(() => true)
    if (gone.signal.aborted) return
    timer = setTimeout(() => {
      running = refresh()
    }, refreshSeconds * 1000).unref()
  }
  let running = refresh()

  /** In the background: the author hears of it when the profile comes again. */
  function lookUp(pubkey: string, claim: Claim): void {
    const done = check(pubkey, claim)
      .then(holds => {
        if (holds && claims.size < MAX_CLAIMS) claims.set(pubkey, claim)
        else if (!holds) remember(pubkey)
      })
      .catch(error => {
        if (!gone.signal.aborted)
          log?.warn({ ...claim, cause: describe(error) }, 'a name was not looked up')
      })
      .finally(() => pending.delete(pubkey))
    pending.set(pubkey, done)
  }

  function remember(pubkey: string): void {
    const now = performance.now()
    for (const [old, at] of failed)
      if (now - at > FAILED_FOR_MS || failed.size > 1000) failed.delete(old)
    failed.set(pubkey, now)
  }

  function decideOnProfile(pubkey: string, claim: Claim): Decision {
    const id = `${claim.name}@${claim.domain}`
    const failedAt = failed.get(pubkey)
    if (failedAt !== undefined && performance.now() - failedAt < FAILED_FOR_MS)
      return reject(
        `restricted: ${id} does not name your pubkey, have it put into nostr.json there and wait a minute`,
      )
    if (!pending.has(pubkey)) {
      if (pending.size >= MAX_PENDING)
        return reject(
          'rate-limited: too many names are being looked up, send this again in a minute',
        )
      lookUp(pubkey, claim)
    }
    return reject(`restricted: ${id} is being looked up, send this again in a moment`)
  }

  return {
    name: 'nip05-domains',
    write(event) {
      if (isNamed(event.pubkey)) return accept
      const claim = event.kind === kinds.Profile ? claimOf(event) : undefined
      if (claim && domains.includes(claim.domain)) return decideOnProfile(event.pubkey, claim)
      if (listed.size === 0 && claims.size === 0)
        return reject(`error: the names at ${where} are not known yet, try again in a moment`)
      return reject(
        `restricted: only people with a name at ${where} write here, get one (NIP-05), then publish your profile with it`,
      )
    },
    async close() {
      gone.abort()
      clearTimeout(timer)
      await Promise.all([running, ...pending.values()])
    },
  }
}

function claimOf({ content }: NostrEvent): Claim | undefined {
  try {
    const { nip05 } = JSON.parse(content) as { nip05?: unknown }
    const [, name, domain] = /^([a-z0-9._-]{1,64})@(.+)$/.exec(String(nip05).toLowerCase()) ?? []
    return name && domain && isDomain(domain) ? { name, domain } : undefined
  } catch {
    return undefined
  }
}

const describe = (error: unknown): string => {
  const { message, cause } = error as Error
  return cause instanceof Error ? `${message}: ${cause.message}` : message
}

export default definePolicy({
  name: 'nip05-domains',
  options,
  create: (options, { log }) => nip05Domains({ ...options, log }),
})
