import { createHash, createHmac } from 'node:crypto'
import {
  freeFulfillmentText,
  type IlpPrepare,
  moneyFulfillmentText,
  uint64,
} from '../../../../events/index.ts'

/** 32 bytes that pay out a packet with the session's money; `secret` is the session's, hex. */
export const moneyFulfillment = (secret: string, streamId: string, sequence: bigint): Buffer =>
  createHmac('sha256', Buffer.from(secret, 'hex'))
    .update(moneyFulfillmentText(streamId, sequence))
    .digest()

/** 32 bytes that answer a packet without money, which carries the event of that id. */
export const freeFulfillment = (eventId: string): Buffer => sha256(freeFulfillmentText(eventId))

/** What a PREPARE has to ask for. */
export const conditionOf = (fulfillment: Uint8Array): Buffer => sha256(fulfillment)

/** What makes two packets of one sequence the same. */
export const packetDigest = ({
  amount,
  condition,
  data,
}: Pick<IlpPrepare, 'amount' | 'condition' | 'data'>): string =>
  createHash('sha256').update(uint64(amount)).update(condition).update(data).digest('hex')

const sha256 = (data: string | Uint8Array): Buffer => createHash('sha256').update(data).digest()
