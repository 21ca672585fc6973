import { z } from 'zod'

/** A child plugin's block of strfry.conf, or what stands beside `relay.writePolicy.plugin`. */
export const childOptions = z
  .object({
    /** How long one request may take, as in strfry, but all of it: the queue and lines passed over count. */
    timeoutSeconds: z.number().positive().max(600),
    /** What follows when the program gives no answer: `accept` lets events pass unasked, but never paid kinds. */
    onFailure: z.enum(['reject', 'accept']),
    /** It answers in any order, so it may be asked again before it has answered. */
    pipeline: z.boolean(),
    /** It is asked about REQ, COUNT and NEG-OPEN too, with lines of type "read" that strfry does not know. */
    read: z.boolean(),
    /** Asked about events of these kinds only; absent: about all. */
    kinds: z.array(z.int().min(0)),
    /** Variables of the environment that it gets although their names look like secrets. */
    env: z.array(z.string()),
  })
  .partial()
export type ChildOptions = z.output<typeof childOptions>
