import {
  MAX_AMOUNT,
  type StreamFlowControl,
  streamFlowControlTemplate,
} from '../../events/index.ts'
import { streamClock, streams } from '../live-stream/stream.ts'
import type { Host, Reader, Tx } from '../plugin.ts'
import { costOf, greater, lesser } from './meter.ts'
import type { PaymentOptions } from './options.ts'
import type { PaymentRail } from './rail.ts'
import type { CreditRail } from './rails/credit.ts'
import type { IlpRail } from './rails/ilp/rail.ts'
import { type Session, sessionAt } from './session.ts'
import type { Share } from './split.ts'

/** What every decision of the payee needs at hand. */
export interface Desk {
  readonly host: Host
  readonly options: PaymentOptions
  readonly rails: readonly PaymentRail[]
  /** Those of the rails that do more than fund, where they are on. */
  readonly credit?: CreditRail
  readonly ilp?: IlpRail
}

export const railsFor = (desk: Desk, asset: string): PaymentRail[] =>
  desk.rails.filter(rail => rail.asset === asset)

export const unixSeconds = (ms: number): number => Math.floor(ms / 1000)

/** Who shares what a stream of that host earns: by the terms made with it, else by everybody's. */
export function sharesOf({ host, options }: Desk, creator: string): Share[] {
  const { transcoderPubkey, protocolPubkey } = options.split
  const split = {
    transcoderPubkey,
    protocolPubkey,
    ...(options.hosts.get(creator)?.split ?? options.split),
  }
  const party = (pubkey: string, bp: number): Share => ({ account: `party:${pubkey}`, bp })
  return [
    party(creator, split.creator),
    party(host.self, split.relay),
    party(split.transcoderPubkey ?? host.self, split.transcoder),
    party(split.protocolPubkey ?? host.self, split.protocol),
  ]
}

/** The session's stream clock at `nowMs`; where the stream is gone, it stands where the session last saw it. */
export async function clockFor(reader: Reader, session: Session, nowMs: number): Promise<number> {
  const stream = await streams.get(reader, session.address)
  return stream ? streamClock(stream, nowMs) : session.asOf
}

/** Cumulative amount that the payee takes at that clock: what is due and the window ahead of it. */
export function windowOf({ options }: Desk, session: Session, clock: number): bigint {
  if (session.purpose === 'tip') return MAX_AMOUNT
  const { due } = sessionAt(session, clock)
  const top = due + costOf(session.epochs, options.prepaySeconds * 1000)
  return lesser(greater(top, session.maxReceive), MAX_AMOUNT)
}

/**
 * Sends the viewer a 5614 in place of the session's last one; gives the session as it is then (to be saved by the
 * caller). The same words within ten seconds are not said twice.
 */
export async function tellFlow(
  tx: Tx,
  { host, options }: Desk,
  session: Session,
  says: Pick<StreamFlowControl, 'maxReceive' | 'blocked' | 'rails'>,
): Promise<Session> {
  const createdAt = unixSeconds(host.clock.now())
  const template = streamFlowControlTemplate(
    {
      session: session.id,
      streamId: session.streamId,
      viewer: session.viewer,
      address: session.address,
      currentOffset: session.received,
      rateLimit: options.maxPaymentsPerSecond || undefined,
      ...says,
    },
    createdAt,
  )
  const last = session.flow ? await tx.event(session.flow) : undefined
  const same = JSON.stringify(last?.tags) === JSON.stringify(template.tags)
  if (last && same && createdAt - last.created_at < 10) return session
  if (last) await tx.removeEvent(last.id)
  const event = host.sign(template)
  await tx.putEvent(event)
  return { ...session, flow: event.id, maxReceive: says.maxReceive }
}
