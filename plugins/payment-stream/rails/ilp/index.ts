import { join } from 'node:path'
import { Counter } from 'prom-client'
import type { Hooks } from '../../../plugin.ts'
import type { Desk } from '../../desk.ts'
import { announcePeer, BTP_PATH } from './announce.ts'
import { btpServer } from './btp.ts'
import { ilpRoutes } from './http.ts'
import { loadPeers } from './peers.ts'
import { type IlpReceiver, ilpReceiver, type Takers } from './receiver.ts'
import { settlementRoutes } from './settlements.ts'

/** What the ilp rail adds to the plugin: its endpoints and its announcement. Nothing where the rail is off. */
export function ilpHooks(
  desk: Desk,
  take: Takers,
): Required<Pick<Hooks, 'sockets' | 'routes' | 'start'>> {
  const { host, ilp } = desk
  const start = () => announcePeer(host, ilp)
  if (!ilp) return { sockets: {}, routes: () => undefined, start }
  const peers = loadPeers(join(host.dataDir, 'ilp.peers'), process.env)
  const receive = counted(desk, ilpReceiver(desk, ilp, desk.options.ilp, take))
  const packets = ilpRoutes(receive, peers)
  const settlements = settlementRoutes(desk, ilp.asset, peers.names)
  return {
    sockets: { [BTP_PATH]: btpServer(receive, peers, host.clock.now) },
    routes(app) {
      packets(app)
      settlements(app)
    },
    start,
  }
}

function counted({ host }: Desk, receive: IlpReceiver): IlpReceiver {
  const answers = new Counter({
    name: 'sluice_ilp_packets_total',
    help: 'ILP packets by their answer: fulfill, or the code of the reject',
    labelNames: ['peer', 'answer'],
    registers: [host.metrics],
  })
  return async (packet, peer, ip) => {
    const reply = await receive(packet, peer, ip)
    answers.inc({ peer: peer.name, answer: reply.type === 'reject' ? reply.code : 'fulfill' })
    return reply
  }
}
