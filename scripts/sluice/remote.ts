import { nip77 } from 'nostr-tools'
import WebSocket from 'ws'
import type { Filter, NostrEvent } from '../../events/index.ts'
import { describe } from '../../relay/describe.ts'

/** What two relays have of each other's: ids that only we hold, and ids that only the other one holds. */
export interface Differences {
  readonly have: ReadonlySet<string>
  readonly need: ReadonlySet<string>
}

/** The other relay reconciles, but not so much at once. */
export class TooMany extends Error {}

export interface Item {
  readonly createdAt: number
  readonly id: string
}

type Message = [type: string, ...rest: unknown[]]

interface Conversation<T> {
  /** Names what is waited for in the sentence of a time-out. */
  readonly about: string
  readonly first: Message
  /** A NOTICE may be the answer of a relay that does not know the verb: so long it has for a better one. */
  noticeMs?(): number
  hear(message: Message, done: (value: T) => void): void
}

const CONNECT_MS = 15_000
const SILENT_MS = 30_000
const AFTER_NOTICE_MS = 3_000
/** Each round narrows the ranges sixteenfold: a relay that needs more of them leads us on. */
const MAX_ROUNDS = 10_000
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024

/**
 * Another relay, as a client meets it. Every promise rejects with one sentence when the relay refuses, falls
 * silent or goes away.
 */
export async function connectRemote(url: string) {
  const ws = new WebSocket(url, { handshakeTimeout: CONNECT_MS, maxPayload: MAX_MESSAGE_BYTES })
  const listeners = new Map<string, (message: Message) => void>()
  const failures = new Set<(error: Error) => void>()
  let notice: string | undefined
  let gone: Error | undefined
  let lastId = 0

  ws.on('message', data => {
    const message = parse(String(data))
    if (!message) return
    const [type, about] = message
    if (type === 'NOTICE') {
      notice = String(about).slice(0, 200)
      for (const hear of [...listeners.values()]) hear(message)
    } else listeners.get(String(about))?.(message)
  })
  await new Promise<void>((opened, failed) => {
    ws.once('open', opened)
    ws.once('error', cause => failed(new Error(`${url} cannot be reached: ${describe(cause)}`)))
  })
  ws.on('error', () => undefined)
  ws.once('close', (code, reason) => {
    const why = reason.length > 0 ? `${code}, ${reason}` : code
    gone = new Error(`${url} ended the connection (${why})`)
    for (const fail of failures) fail(gone)
  })

  const send = (message: Message) => ws.send(JSON.stringify(message))

  /** Says `first` and listens to what is said about `key` until it is done; silence ends it. */
  function converse<T>(key: string, { about, first, hear, noticeMs }: Conversation<T>): Promise<T> {
    if (gone) return Promise.reject(gone)
    return new Promise<T>((resolve, reject) => {
      let timer = setTimeout(late, SILENT_MS)
      const stop = () => {
        clearTimeout(timer)
        listeners.delete(key)
        failures.delete(fail)
      }
      const fail = (error: unknown) => {
        stop()
        reject(error)
      }
      function late() {
        const said = notice === undefined ? '' : ` (it said: ${notice})`
        fail(new Error(`${url} does not answer ${about}${said}`))
      }
      failures.add(fail)
      const wait = (ms: number) => {
        clearTimeout(timer)
        timer = setTimeout(late, ms)
      }
      listeners.set(key, message => {
        if (message[0] === 'NOTICE') {
          if (noticeMs) wait(noticeMs())
          return
        }
        wait(SILENT_MS)
        try {
          hear(message, value => {
            stop()
            resolve(value)
          })
        } catch (error) {
          fail(error)
        }
      })
      send(first)
    })
  }

  return {
    /** NIP-77: compares our items with what the other relay has for the filter. */
    async reconcile(filter: Filter, items: readonly Item[]): Promise<Differences> {
      const storage = new nip77.NegentropyStorageVector()
      for (const { createdAt, id } of items) storage.insert(createdAt, id)
      storage.seal()
      const negentropy = new nip77.Negentropy(storage)
      const have = new Set<string>()
      const need = new Set<string>()
      const id = `neg${lastId++}`
      let rounds = 0
      return converse<Differences>(id, {
        about: 'NEG-OPEN: it seems to have no NIP-77',
        first: ['NEG-OPEN', id, filter, negentropy.initiate()],
        noticeMs: () => (rounds === 0 ? AFTER_NOTICE_MS : SILENT_MS),
        hear([type, , text], done) {
          if (type !== 'NEG-MSG') throw refusal(url, String(text))
          rounds += 1
          const next = ask(() =>
            negentropy.reconcile(
              String(text),
              one => have.add(one),
              one => need.add(one),
            ),
          )
          if (next !== null) return send(['NEG-MSG', id, next])
          send(['NEG-CLOSE', id])
          done({ have, need })
        },
      })

      function ask(step: () => string | null): string | null {
        if (rounds > MAX_ROUNDS) throw new Error(`${url} reconciles without end`)
        try {
          return step()
        } catch (cause) {
          throw new Error(`${url} does not speak negentropy v1: ${describe(cause)}`, { cause })
        }
      }
    },

    /** What the other relay gives for these ids, each at most once; nothing but the id was looked at. */
    fetch(ids: readonly string[]): Promise<unknown[]> {
      const id = `req${lastId++}`
      const left = new Set<unknown>(ids)
      const values: unknown[] = []
      return converse<unknown[]>(id, {
        about: 'REQ',
        first: ['REQ', id, { ids, limit: ids.length }],
        hear([type, , value], done) {
          if (type === 'EVENT' && left.delete((value as NostrEvent | null)?.id)) values.push(value)
          if (type === 'CLOSED') throw new Error(`${url} refused a REQ: ${value}`)
          if (type !== 'EOSE') return
          send(['CLOSE', id])
          done(values)
        },
      })
    },

    /** Sends an event and gives the answer of its OK. */
    publish(event: NostrEvent): Promise<{ accepted: boolean; msg: string }> {
      return converse(event.id, {
        about: 'EVENT',
        first: ['EVENT', event],
        hear([type, , accepted, msg], done) {
          if (type === 'OK') done({ accepted: accepted === true, msg: String(msg ?? '') })
        },
      })
    },

    close(): void {
      ws.close()
    },
  }
}
export type Remote = Awaited<ReturnType<typeof connectRemote>>

/** A NEG-ERR (or CLOSED) as the error that it is. There is no code for it: relays say it in words. */
function refusal(url: string, msg: string): Error {
  const sentence = `${url} refuses to reconcile: ${msg}`
  return /too many|more than|too big|too large|narrow/i.test(msg)
    ? new TooMany(sentence)
    : new Error(sentence)
}

function parse(text: string): Message | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) && typeof value[0] === 'string' ? (value as Message) : undefined
  } catch {
    return undefined
  }
}
