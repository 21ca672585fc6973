import type { EventTemplate } from './event.ts'
import { kinds } from './kinds.ts'

export type GrantRole = 'viewer' | 'host' | 'moderator'

/** Content of a viewer's 5650 after NIP-44. Times in unix seconds. */
export interface ViewerGrant {
  readonly token: string
  readonly playbackUrl: string
  readonly qualities: readonly string[]
  readonly expiresAt: number
}

/** Where a host sends media. OBS: Settings, Stream, Custom: server and stream key. */
export interface Ingest {
  readonly rtmp: { readonly server: string; readonly key: string }
  readonly whip?: string
  readonly srt?: string
}

/** Content of a host's 5650 after NIP-44. `problem` is a sentence on what is wrong with the stream now. */
export interface HostGrant {
  readonly ingest: Ingest
  readonly playbackUrl: string
  readonly problem?: string
}

/** Content of a host's 5650 while there is nowhere to send media yet; the grant with `ingest` takes its place. */
export interface HostNotice {
  readonly ingest?: undefined
  readonly playbackUrl: string
  readonly problem: string
}

/** The claims of an access token: JWT, ES256K with the relay's key (docs/events.md, Access token). */
export interface TokenClaims {
  readonly iss: string
  readonly sub: string
  readonly aud: string
  /** The session (id of its 5610), or `free` or `host` where nothing is paid. */
  readonly sid: string
  readonly qualities: readonly string[]
  readonly iat: number
  readonly exp: number
  readonly jti: string
}

/** The template of a 5650; `content` is the NIP-44 text of a ViewerGrant, HostGrant or HostNotice. */
export function grantTemplate(grant: {
  grantee: string
  address: string
  role: GrantRole
  session?: string
  createdAt: number
  expiresAt: number
  content: string
}): EventTemplate {
  const tags = [
    ['p', grant.grantee],
    ['a', grant.address],
    ['role', grant.role],
    ['expiration', String(grant.expiresAt)],
    ['-'],
  ]
  if (grant.session) tags.push(['e', grant.session, '', 'open'])
  return { kind: kinds.AccessGrant, created_at: grant.createdAt, tags, content: grant.content }
}
