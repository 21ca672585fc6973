import { createHash } from 'node:crypto'
import { grantTemplate, type HostGrant, type Ingest, type NostrEvent } from '../../events/index.ts'
import type { Host, Reader } from '../plugin.ts'
import type { LiveStream } from './stream.ts'

export const hashKey = (key: string): string => createHash('sha256').update(key).digest('hex')

/** A new stream key: 128 random bits as 32 hex, which OBS and every encoder takes as it is. */
export const newStreamKey = (host: Host): string => Buffer.from(host.random(16)).toString('hex')

/**
 * The stream's key, read back from the host's own grant (only its hash is stored beside): hosts keep one key
 * for a stream, whatever restarts in between. Undefined when the grant is gone or was for another key.
 */
export async function currentKey(
  host: Host,
  reader: Reader,
  stream: LiveStream,
): Promise<string | undefined> {
  const grant = stream.hostGrant ? await reader.event(stream.hostGrant) : undefined
  if (!grant) return undefined
  const { ingest } = JSON.parse(host.decrypt(stream.host, grant.content)) as HostGrant
  return hashKey(ingest.rtmp.key) === stream.keyHash ? ingest.rtmp.key : undefined
}

/** The host's 5650: where to send media, encrypted to the host. */
export function hostGrant(
  host: Host,
  stream: LiveStream,
  ingest: Ingest,
  playbackUrl: string,
  validSeconds: number,
): NostrEvent {
  const createdAt = Math.floor(host.clock.now() / 1000)
  const content: HostGrant = { ingest, playbackUrl }
  return host.sign(
    grantTemplate({
      grantee: stream.host,
      address: stream.address,
      role: 'host',
      createdAt,
      expiresAt: createdAt + validSeconds,
      content: host.encrypt(stream.host, JSON.stringify(content)),
    }),
  )
}
