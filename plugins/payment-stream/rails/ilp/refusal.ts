import { type IlpCode, ilpCodes, type NostrEvent } from '../../../../events/index.ts'
import type { Decision } from '../../../plugin.ts'
import type { Refusal } from '../../voucher.ts'
import { conditionOf } from './condition.ts'

/** Stops the way through the receiver with a REJECT. `answer` is the event that explains it. */
export class Rejected extends Error {
  readonly code: IlpCode
  readonly answer: NostrEvent | Uint8Array | undefined
  constructor(code: IlpCode, msg: string, answer?: NostrEvent | Uint8Array) {
    super(msg)
    this.code = code
    this.answer = answer
  }
}

/** What each refusal of a 5612 is called on Interledger (docs/events.md, Interledger). */
export const codeOf: Readonly<Record<Refusal, IlpCode>> = {
  unreadable: ilpCodes.invalidPacket,
  unknown: ilpCodes.unexpectedPayment,
  closed: ilpCodes.cannotReceive,
  payer: ilpCodes.invalidPacket,
  mismatch: ilpCodes.invalidPacket,
  equivocation: ilpCodes.application,
  old: ilpCodes.application,
  falls: ilpCodes.application,
  minReceive: ilpCodes.insufficientAmount,
  window: ilpCodes.application,
  maxTotal: ilpCodes.cannotReceive,
  funds: ilpCodes.insufficientLiquidity,
  deleted: ilpCodes.application,
  late: ilpCodes.timedOut,
}

/** A PREPARE has to ask for what we can answer; the JSON boundary asks for nothing. */
export function checkCondition(condition: Uint8Array | undefined, fulfillment: Buffer): void {
  if (condition && !conditionOf(fulfillment).equals(condition))
    throw new Rejected(
      ilpCodes.wrongCondition,
      'the condition of this packet is not ours to fulfil',
    )
}

/** Passes an accept. */
export function orRejected(decision: Decision): void {
  if (decision.action === 'accept') return
  const msg = decision.action === 'reject' ? decision.msg : 'blocked: not here'
  throw new Rejected(ilpCodes.application, msg)
}

/** What is no true event is a bad packet; what a policy refuses is this relay's own affair. */
export const codeOfAdmission = (msg: string): IlpCode =>
  msg.startsWith('invalid:') ? ilpCodes.invalidPacket : ilpCodes.application
