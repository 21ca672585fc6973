import { createHmac, randomUUID } from 'node:crypto'

/** A webhook as an account has it registered. */
export interface Webhook {
  readonly id: string
  readonly name: string
  readonly url: string
  readonly events: readonly string[]
  readonly sharedSecret?: string
  readonly createdAt: number
}

/** Something that happened, before it is sent; `createdAt` stays the same through all deliveries. */
export interface Occurrence {
  readonly id: string
  readonly createdAt: number
  readonly event: string
  readonly stream: object
  readonly payload?: object
}

export interface Delivery {
  readonly occurrence: Occurrence
  /** The answer's status, or 0 where there was none. */
  readonly status: number
}

const MAX_RETRIES = 33
const MAX_BACKOFF_MS = 60 * 60_000

/** The header's value for a body, as the provider makes it. */
export const signature = (body: string, secret: string, t: number): string =>
  `t=${t},v1=${createHmac('sha256', secret).update(body).digest('hex')}`

/**
 * Sends webhooks as Livepeer's own cannon does: again on 5xx and network errors only (5 s, doubling to an hour, 33
 * times), each delivery with a fresh `timestamp` under a fresh signature and the same `id`.
 */
export function webhookCannon(options: { webhooks(): Iterable<Webhook>; firstRetryMs: number }) {
  const deliveries: Delivery[] = []
  const held: Occurrence[] = []
  const timers = new Set<NodeJS.Timeout>()
  const flying = new Set<Promise<void>>()
  let copies = 1
  let holding = false
  let closed = false

  function occur(event: string, stream: object, payload?: object): Occurrence {
    const occurrence = { id: randomUUID(), createdAt: Date.now(), event, stream, payload }
    if (holding) held.push(occurrence)
    else emit(occurrence)
    return occurrence
  }

  function emit(occurrence: Occurrence): void {
    for (const webhook of options.webhooks())
      if (webhook.events.includes(occurrence.event))
        for (let i = 0; i < copies; i++) attempt(webhook, occurrence, 0)
  }

  function attempt(webhook: Webhook, occurrence: Occurrence, retries: number): void {
    const flight = deliver(webhook, occurrence).then(status => {
      if (closed || (status > 0 && status < 500) || retries >= MAX_RETRIES) return
      const wait = Math.min(options.firstRetryMs * 2 ** retries, MAX_BACKOFF_MS)
      const timer = setTimeout(() => {
        timers.delete(timer)
        attempt(webhook, occurrence, retries + 1)
      }, wait)
      timers.add(timer)
    })
    flying.add(flight)
    flight.finally(() => flying.delete(flight))
  }

  /** Sends once, and gives the status; `forge` changes what is sent. */
  async function deliver(
    webhook: Webhook,
    occurrence: Occurrence,
    forge: { secret?: string; timestamp?: number; t?: number } = {},
  ): Promise<number> {
    const timestamp = forge.timestamp ?? Date.now()
    const { id, createdAt, event, stream, payload } = occurrence
    const body = JSON.stringify({
      id,
      webhookId: webhook.id,
      createdAt,
      timestamp,
      event,
      stream,
      payload,
    })
    const secret = forge.secret ?? webhook.sharedSecret
    const signed = secret
      ? { 'Livepeer-Signature': signature(body, secret, forge.t ?? timestamp) }
      : {}
    const status = await fetch(webhook.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'livepeer.studio',
        ...signed,
      } as Record<string, string>,
      body,
      signal: AbortSignal.timeout(30_000),
    }).then(
      async response => {
        await response.arrayBuffer()
        return response.status
      },
      () => 0,
    )
    deliveries.push({ occurrence, status })
    return status
  }

  return {
    deliveries,
    occur,
    deliver,
    /** Every occurrence is sent so many times from now on. */
    copies(count: number): void {
      copies = count
    },
    /** Keeps what occurs from now on back. */
    hold(): void {
      holding = true
    },
    /** Gives what was kept back, to be sent (or not) in any order with `emit`. */
    release(): Occurrence[] {
      holding = false
      return held.splice(0)
    },
    emit,
    async close(): Promise<void> {
      closed = true
      for (const timer of timers) clearTimeout(timer)
      await Promise.allSettled(flying)
    },
  }
}
export type Cannon = ReturnType<typeof webhookCannon>
