import { isHex64 } from '../events/index.ts'
import { BadBunkerAddress } from './errors.ts'

/** Where a remote signer is reached: its pubkey (not the person's), relays, and the secret that pairs once. */
export interface Bunker {
  readonly pubkey: string
  readonly relays: readonly string[]
  readonly secret?: string
}

/** Reads `bunker://<pubkey>?relay=wss://…&secret=…`; throws `BadBunkerAddress`. Source: NIP-46. */
export function parseBunker(text: string): Bunker {
  const match = /^bunker:\/\/([0-9a-f]{64})\/?\?(.+)$/i.exec(text.trim())
  const query = new URLSearchParams(match?.[2])
  const relays = query.getAll('relay').filter(isRelayUrl)
  const pubkey = match?.[1]?.toLowerCase()
  if (!isHex64(pubkey) || relays.length === 0) throw new BadBunkerAddress()
  return { pubkey, relays, secret: query.get('secret') ?? undefined }
}

/** Who asks to be let in, as the signer's app shows it. */
export interface ClientLabel {
  readonly name: string
  readonly url?: string
}

/** The `nostrconnect://` address that a signer's app opens or scans to let this client in. Source: NIP-46. */
export function nostrConnectUri(
  client: string,
  relays: readonly string[],
  secret: string,
  { name, url }: ClientLabel,
): string {
  const query = new URLSearchParams(relays.map(relay => ['relay', relay]))
  query.set('secret', secret)
  query.set('perms', PERMISSIONS)
  query.set('name', name)
  if (url) query.set('url', url)
  return `nostrconnect://${client}?${query}`
}

/** What pages of ours ask a signer for: what else it is asked it may still ask its person about. */
export const PERMISSIONS = [
  'get_public_key',
  ...[5, 1311, 1984, 5610, 5612, 5615, 5651, 10000, 22242, 27235, 30311].map(
    kind => `sign_event:${kind}`,
  ),
  'nip44_encrypt',
  'nip44_decrypt',
].join(',')

const isRelayUrl = (url: string): boolean =>
  URL.canParse(url) && /^wss?:$/.test(new URL(url).protocol)
