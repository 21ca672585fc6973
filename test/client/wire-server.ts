import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { verifyEvent } from 'nostr-tools/pure'
import { type WebSocket, WebSocketServer } from 'ws'
import { type Filter, kinds, type NostrEvent } from '../../events/index.ts'

/** What the server answers to an event: a refusal (with its NIP-01 prefix), or undefined for OK true. */
type Verdict = string | undefined

export interface WireServer {
  readonly url: string
  readonly stored: NostrEvent[]
  /** Events that came, also refused ones, in order. */
  readonly received: NostrEvent[]
  /** Decides on each event; runs after AUTH was asked for. */
  onEvent: (event: NostrEvent) => Verdict
  /** True: every EVENT and REQ needs AUTH. */
  needsAuth: boolean
  /** True: as strfry, it asks for AUTH only once that is missing, and begins what it says in CLOSED with "ERROR: ". */
  likeStrfry: boolean
  /** The reason every REQ is refused with, if it is. */
  refuseReads: string | undefined
  /** True: nothing is answered. */
  silent: boolean
  readonly authed: Set<string>
  /** Puts an event in as a relay's own, and sends it to who asked for it. */
  put(event: NostrEvent): void
  /** Cuts every connection, as a restart does. */
  drop(): void
  close(): Promise<void>
}

/** A small server that speaks NIP-01, 11 and 42: the outside world of the SDK's unit tests. */
export async function wireServer(self: string): Promise<WireServer> {
  const http = createServer((_, response) => {
    response.setHeader('Content-Type', 'application/nostr+json')
    response.end(JSON.stringify({ name: 'wire', self }))
  })
  const sockets = new WebSocketServer({ server: http })
  const requests = new Map<WebSocket, Map<string, Filter[]>>()
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  const { port } = http.address() as AddressInfo

  const server: WireServer = {
    url: `ws://127.0.0.1:${port}/`,
    stored: [],
    received: [],
    onEvent: () => undefined,
    needsAuth: false,
    likeStrfry: false,
    refuseReads: undefined,
    silent: false,
    authed: new Set(),
    put(event) {
      server.stored.push(event)
      for (const [socket, filters] of requests)
        for (const [id, wanted] of filters)
          if (wanted.some(filter => matches(filter, event))) send(socket, ['EVENT', id, event])
    },
    drop() {
      server.authed.clear()
      for (const socket of sockets.clients) socket.terminate()
    },
    async close() {
      server.drop()
      sockets.close()
      await new Promise(resolve => http.close(resolve))
    },
  }

  sockets.on('connection', socket => {
    requests.set(socket, new Map())
    if (!server.likeStrfry) send(socket, ['AUTH', 'challenge'])
    socket.on('close', () => requests.delete(socket))
    socket.on('message', data => {
      if (!server.silent) answer(socket, JSON.parse(String(data)))
    })
  })

  function answer(
    socket: WebSocket,
    [verb, first, ...rest]: [string, unknown, ...unknown[]],
  ): void {
    const filters = requests.get(socket)
    if (verb === 'EVENT') take(socket, first as NostrEvent)
    if (verb === 'AUTH') auth(socket, first as NostrEvent)
    if (verb === 'CLOSE') filters?.delete(String(first))
    if (verb !== 'REQ') return
    const id = String(first)
    if (server.needsAuth && server.authed.size === 0) {
      if (server.likeStrfry) send(socket, ['AUTH', 'challenge'])
      closed(socket, id, 'auth-required: sign in first')
      return
    }
    if (server.refuseReads) {
      closed(socket, id, server.refuseReads)
      return
    }
    filters?.set(id, rest as Filter[])
    for (const event of server.stored)
      if ((rest as Filter[]).some(filter => matches(filter, event)))
        send(socket, ['EVENT', id, event])
    send(socket, ['EOSE', id])
  }

  const closed = (socket: WebSocket, id: string, reason: string): void =>
    send(socket, ['CLOSED', id, server.likeStrfry ? `ERROR: ${reason}` : reason])

  function take(socket: WebSocket, event: NostrEvent): void {
    if (server.needsAuth && server.authed.size === 0) {
      send(socket, ['OK', event.id, false, 'auth-required: sign in first'])
      return
    }
    server.received.push(event)
    const problem = server.onEvent(event)
    send(socket, ['OK', event.id, problem === undefined, problem ?? ''])
    if (problem === undefined) server.put(event)
  }

  function auth(socket: WebSocket, event: NostrEvent): void {
    const signed = verifyEvent({ ...event, tags: event.tags.map(tag => [...tag]) })
    const ok = signed && event.kind === kinds.Auth && event.tags.some(tag => tag[1] === 'challenge')
    if (ok) server.authed.add(event.pubkey)
    send(socket, ['OK', event.id, ok, ok ? '' : 'invalid: not this challenge'])
  }

  return server
}

const send = (socket: WebSocket, message: unknown[]): void => socket.send(JSON.stringify(message))

function matches(filter: Filter, event: NostrEvent): boolean {
  if (filter.kinds && !filter.kinds.includes(event.kind)) return false
  if (filter.authors && !filter.authors.includes(event.pubkey)) return false
  if (filter.since !== undefined && event.created_at < filter.since) return false
  return Object.entries(filter).every(
    ([name, values]) =>
      !name.startsWith('#') ||
      event.tags.some(
        tag => tag[0] === name.slice(1) && (values as string[]).includes(tag[1] ?? ''),
      ),
  )
}
