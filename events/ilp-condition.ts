/*
 * What packets to a Sluice relay are paid out against (docs/events.md, Interledger): texts only, for the relay and the
 * SDK hash with the tools of their own platforms.
 */

/**
 * The fulfillment of a 5612's packet is HMAC-SHA256(shared secret of the 5611, this text). It proves to the hops that the
 * payee answered, and nothing about the amount: that is what the signed `min_receive` is for.
 */
export const moneyFulfillmentText = (streamId: string, sequence: bigint): string =>
  `${streamId}:${sequence}`

/** The fulfillment of a packet without money (5610, 5615) is the SHA-256 of this text: it guards nothing. */
export const freeFulfillmentText = (eventId: string): string => `sluice:${eventId}`
