import { hash } from 'node:crypto'
import type { NostrEvent } from '../events/index.ts'
import type { Curve } from './curve.ts'

/** NIP-01: the id of an event is the SHA-256 of this text. */
export function eventId(event: Omit<NostrEvent, 'id' | 'sig'>): string {
  const { pubkey, created_at, kind, tags, content } = event
  const text = JSON.stringify([0, pubkey, created_at, kind, tags, content])
  return hash('sha256', text)
}

/** Gives back the object that it is given, so that a class below it can put a private field on it. */
class Itself {
  constructor(event: NostrEvent) {
    // biome-ignore lint/correctness/noConstructorReturn: that is all that it is for
    return event
  }
}

/** A text that travels with an event and that no copy of it inherits; a WeakMap costs each event ten times as much. */
class Received extends Itself {
  #text: string

  constructor(event: NostrEvent, text: string) {
    super(event)
    this.#text = text
  }

  static textOf(event: object): string | undefined {
    return #text in event ? (event as Received).#text : undefined
  }
}

/** Keeps the text of an event as its author's client wrote it; only for a text that says nothing but the event. */
export function rememberRaw(event: NostrEvent, text: string): void {
  new Received(event, text)
}

/** The event as it is sent: the text that was received, else its seven fields in NIP-01's order. */
export function rawOf(event: NostrEvent): string {
  const known = Received.textOf(event)
  if (known !== undefined) return known
  const { id, pubkey, created_at, kind, tags, content, sig } = event
  return JSON.stringify({ id, pubkey, created_at, kind, tags, content, sig })
}

/**
 * True when the signature is the author's over the id. The id itself is checked on arrival (message.ts).
 *
 * @example
 * const verify = signatureVerifier(loadCurve())
 * verify(event) // true
 */
export function signatureVerifier(
  curve: Curve,
  /** Told how long each took. */
  took: (ms: number) => void = () => undefined,
): (event: NostrEvent) => boolean {
  return event => {
    const startedAt = performance.now()
    const valid = curve.verifySchnorr(
      Buffer.from(event.sig, 'hex'),
      Buffer.from(event.id, 'hex'),
      Buffer.from(event.pubkey, 'hex'),
    )
    took(performance.now() - startedAt)
    return valid
  }
}
