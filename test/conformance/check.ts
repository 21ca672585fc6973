import { randomBytes } from 'node:crypto'
import { type Client, connect } from './client.ts'

/** What a relay says of itself (NIP-11), as far as the checks ask. */
export interface RelayInfo {
  readonly name?: string
  readonly self?: string
  readonly pubkey?: string
  readonly software?: string
  readonly supported_nips?: readonly number[]
  readonly limitation?: Readonly<Record<string, number | boolean>>
}

export interface RelayUnderTest {
  readonly url: string
  readonly info: RelayInfo
  /** The secret key of somebody who may call NIP-86, where the tester has one. */
  readonly admin?: Uint8Array
  /** A connection that is closed when the check ends. */
  connect(): Promise<Client>
}

/** One statement about a relay; `run` throws when it is not true. */
export interface Check {
  readonly name: string
  run(relay: RelayUnderTest): Promise<void>
  /** Why this relay cannot be asked; undefined when it can. */
  inapplicable?(relay: Pick<RelayUnderTest, 'info' | 'admin'>): string | undefined
}

export interface Suite {
  readonly name: string
  /** It applies to a relay that lists one of these; to every relay when there is none. */
  readonly nips: readonly number[]
  readonly checks: readonly Check[]
}

/** A statement and how to see it. Example: `check('EOSE follows', async relay => { ... })` */
export const check = (
  name: string,
  run: Check['run'],
  inapplicable?: Check['inapplicable'],
): Check => ({ name, run, inapplicable })

/** Why a suite does not apply to a relay; undefined when it does. */
export function notListed(suite: Suite, info: RelayInfo): string | undefined {
  if (suite.nips.length === 0) return undefined
  if (suite.nips.some(nip => info.supported_nips?.includes(nip))) return undefined
  return `the relay does not list NIP-${suite.nips.join(' or ')}`
}

/** Runs one check with connections of its own. */
export async function runCheck(one: Check, relay: Omit<RelayUnderTest, 'connect'>): Promise<void> {
  const opened: Client[] = []
  try {
    await one.run({
      ...relay,
      async connect() {
        const client = await connect(relay.url)
        opened.push(client)
        return client
      },
    })
  } finally {
    for (const client of opened) client.close()
  }
}

export const httpUrl = (url: string): string => url.replace(/^ws/, 'http')

/** The relay's NIP-11 document; an empty one where it has none, or does not answer HTTP at all. */
export async function fetchInfo(url: string): Promise<RelayInfo> {
  try {
    const response = await fetch(httpUrl(url), {
      headers: { accept: 'application/nostr+json' },
      signal: AbortSignal.timeout(5000),
    })
    return response.ok ? ((await response.json()) as RelayInfo) : {}
  } catch {
    return {}
  }
}

/** A text that no other check uses, so that a shared relay does not disturb. */
export const unique = (): string => randomBytes(8).toString('hex')
export const hex64 = (): string => randomBytes(32).toString('hex')
export const now = (): number => Math.floor(Date.now() / 1000)
