import { type EventTemplate, kinds, type Purpose, type Rate } from '../events/index.ts'

/** The 5610 that asks for a session. */
export const streamOpenTemplate = (open: {
  streamId: string
  payee: string
  purpose: Purpose
  rate: Rate
  address: string
  asset: string
  maxTotal?: bigint
  createdAt: number
}): EventTemplate => ({
  kind: kinds.StreamOpen,
  created_at: open.createdAt,
  tags: [
    ['stream_id', open.streamId],
    ['p', open.payee],
    ['purpose', open.purpose],
    ['rate', String(open.rate.amount), open.rate.unit],
    ['a', open.address],
    ['asset', open.asset],
    ...(open.maxTotal === undefined ? [] : [['max_total', String(open.maxTotal)]]),
  ],
  content: '',
})

interface InSession {
  /** The id of the 5610. */
  session: string
  streamId: string
  payee: string
  address: string
  createdAt: number
}

/**
 * The 5612 that promises `totalSent` in all. Where its money crosses hops, `minReceive` is the least that may arrive, and
 * `condition` (hex) names the packet that it is for.
 */
export const streamMoneyTemplate = (
  money: InSession & {
    sequence: bigint
    totalSent: bigint
    minReceive?: bigint
    condition?: string
  },
): EventTemplate => ({
  kind: kinds.StreamMoney,
  created_at: money.createdAt,
  tags: [
    ...sessionTags(money),
    ['sequence', String(money.sequence)],
    ['total_sent', String(money.totalSent)],
    ...(money.minReceive === undefined ? [] : [['min_receive', String(money.minReceive)]]),
    ...(money.condition === undefined ? [] : [['proof', 'ilp', money.condition]]),
    ['expiration', String(money.createdAt + 86_400)],
  ],
  content: '',
})

/** The 5651 that asks for another quality (480p, 720p, 1080p, 4k or source) in a session. */
export const qualityRequestTemplate = (request: {
  session: string
  payee: string
  address: string
  quality: string
  createdAt: number
}): EventTemplate => ({
  kind: kinds.QualityRequest,
  created_at: request.createdAt,
  tags: [
    ['e', request.session, '', 'open'],
    ['p', request.payee],
    ['a', request.address],
    ['quality', request.quality],
    ['expiration', String(request.createdAt + 600)],
  ],
  content: '',
})

const sessionTags = ({ session, streamId, payee, address }: InSession): string[][] => [
  ['e', session, '', 'open'],
  ['stream_id', streamId],
  ['p', payee],
  ['a', address],
]
