import { kinds } from '../../../../events/index.ts'
import type { Host } from '../../../plugin.ts'
import type { IlpRail } from './rail.ts'

/** Where BTP is spoken on the relay's port. */
export const BTP_PATH = '/ilp/btp'

/**
 * Says in a kind 10032 how packets reach this relay, so that ILP-gated relays find it; says nothing twice, and takes it
 * back (empty) where the rail was turned off.
 */
export async function announcePeer(host: Host, rail: IlpRail | undefined): Promise<void> {
  const mine = { kinds: [kinds.IlpPeerInfo], authors: [host.self], limit: 1 }
  const [last] = await host.store.events([mine])
  const content = rail ? JSON.stringify(peerInfo(host, rail)) : ''
  if (last ? last.content === content : !rail) return
  const now = Math.floor(host.clock.now() / 1000)
  const created_at = Math.max(now, (last?.created_at ?? 0) + 1)
  await host.publish({ kind: kinds.IlpPeerInfo, created_at, tags: [], content })
}

const peerInfo = (host: Host, { address, asset, scale }: IlpRail) => ({
  ilpAddress: address,
  btpEndpoint: `${host.urls().ws}${BTP_PATH}`,
  assetCode: asset,
  assetScale: scale,
})
