/** Something that happens, by its name and the type of what is told of it. */
export interface Topic<T> {
  readonly name: string
  readonly type?: T
}

/** Names a topic; where several plugins know it, it stands in one file that all of them import. */
export const topic = <T>(name: string): Topic<T> => ({ name })

/**
 * What happens in this process, told to whoever listens: at most once, in order, kept nowhere. What must not be missed is
 * a job or lies in the store. From a transaction tell it with `tx.after`, when it is true.
 */
export interface Telemetry {
  /** Tells the topic's listeners, after what runs now. One that throws is logged and disturbs nobody. */
  emit<T>(topic: Topic<T>, told: T): void
  /** Listens until the function that it gives is called. */
  on<T>(topic: Topic<T>, listener: (told: T) => void): () => void
}

/** Where a stream is in its life; `plugins/live-stream/lifecycle.ts` says when it is what. */
export type StreamPhase =
  | 'created'
  | 'planned'
  | 'live'
  | 'reconnecting'
  | 'ended'
  | 'recorded'
  | 'archived'
  | 'deleted'

/** Where in the making of a stream something went wrong. */
export type ErrorSource = 'media' | 'provider' | 'health' | 'restream' | 'relay'

/** What every topic of a stream says; `at` in unix ms. */
interface OfStream {
  readonly address: string
  readonly id: string
  readonly host: string
  readonly at: number
}

/** A stream came into another phase of its life; `from` is absent for one that is new. */
export const streamPhase = topic<
  OfStream & { from?: StreamPhase; to: StreamPhase; cause?: string }
>('stream-phase')
/** Its host has the ingest details, or new ones. */
export const streamReady = topic<OfStream>('stream-ready')
/** Something went wrong with it; `cause` is the sentence that its host reads. */
export const streamTrouble = topic<OfStream & { source: ErrorSource; cause: string }>(
  'stream-trouble',
)
/** Who watched in the last minute, counted by gateway sessions. */
export const streamViewers = topic<
  Omit<OfStream, 'host' | 'address'> & { concurrent: number; peak: number; total: number }
>('stream-viewers')
