import { createHash } from 'node:crypto'
import { grantTemplate, type HostGrant, type HostNotice } from '../../events/index.ts'
import type { Host, Reader, Tx } from '../plugin.ts'
import type { LiveStream } from './stream.ts'

export const hashKey = (key: string): string => createHash('sha256').update(key).digest('hex')

/** A new stream key: 128 random bits as 32 hex, which OBS and every encoder takes as it is. */
export const newStreamKey = (host: Host): string => Buffer.from(host.random(16)).toString('hex')

/**
 * What the host was told last, read back from its own grant (only the key's hash is stored beside): hosts keep one key
 * for a stream, whatever restarts in between. Undefined when the grant is gone or was for another key.
 */
export async function currentGrant(
  host: Host,
  reader: Reader,
  stream: LiveStream,
): Promise<HostGrant | HostNotice | undefined> {
  const grant = stream.hostGrant ? await reader.event(stream.hostGrant) : undefined
  if (!grant) return undefined
  const content = JSON.parse(host.decrypt(stream.host, grant.content)) as HostGrant | HostNotice
  if (!content.ingest) return content
  return hashKey(content.ingest.rtmp.key) === stream.keyHash ? content : undefined
}

/**
 * Sends the host its 5650, where to send media, in place of the one before, and gives the stream as it is then (to be
 * saved by the caller). The same words twice are said once.
 */
export async function tellHost(
  tx: Tx,
  host: Host,
  stream: LiveStream,
  content: HostGrant | HostNotice,
  validSeconds: number,
): Promise<LiveStream> {
  const text = JSON.stringify(content)
  if (JSON.stringify(await currentGrant(host, tx, stream)) === text) return stream
  const last = stream.hostGrant ? await tx.event(stream.hostGrant) : undefined
  // Clients take the newest, by its second.
  const createdAt = Math.max(Math.floor(host.clock.now() / 1000), (last?.created_at ?? 0) + 1)
  if (last) await tx.removeEvent(last.id)
  const event = host.sign(
    grantTemplate({
      grantee: stream.host,
      address: stream.address,
      role: 'host',
      createdAt,
      expiresAt: createdAt + validSeconds,
      content: host.encrypt(stream.host, text),
    }),
  )
  await tx.putEvent(event)
  return { ...stream, hostGrant: event.id }
}
