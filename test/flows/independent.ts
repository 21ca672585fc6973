/**
 * A viewer's and a host's side written from docs/events.md alone, with nostr-tools over ws: nothing of ours
 * is imported here, so that what it shows is true for any Nostr client.
 */
import {
  type Event,
  type EventTemplate,
  type Filter,
  finalizeEvent,
  generateSecretKey,
  getPublicKey,
  nip44,
} from 'nostr-tools'
import { Relay, useWebSocketImplementation } from 'nostr-tools/relay'
import WebSocket from 'ws'

useWebSocketImplementation(WebSocket)

export const now = () => Math.floor(Date.now() / 1000)
export const tag = (event: Event, name: string) => event.tags.find(t => t[0] === name)?.[1]

/** One person's connection to the relay, authenticated (NIP-42). */
export class Person {
  readonly relay: Relay
  readonly secret: Uint8Array
  readonly pubkey: string

  private constructor(relay: Relay, secret: Uint8Array) {
    this.relay = relay
    this.secret = secret
    this.pubkey = getPublicKey(secret)
  }

  static async connect(url: string, secret = generateSecretKey()): Promise<Person> {
    const relay = await Relay.connect(url)
    const person = new Person(relay, secret)
    relay.onauth = async template => finalizeEvent(template, secret)
    // The challenge comes with the connection; give it a moment to arrive. strfry sends it only once it is needed.
    for (let i = 0; i < 100; i++) {
      if (i === 25) relay.subscribe([{ kinds: [5650], '#p': [person.pubkey] }], {})
      try {
        await relay.auth(async template => finalizeEvent(template, secret))
        return person
      } catch (error) {
        if (!String(error).includes('challenge')) throw error
        await new Promise(resolve => setTimeout(resolve, 20))
      }
    }
    throw new Error('the relay sent no AUTH challenge')
  }

  sign(template: Omit<EventTemplate, 'created_at'> & { created_at?: number }): Event {
    return finalizeEvent({ created_at: now(), ...template }, this.secret)
  }

  /** Publishes; rejects with the relay's sentence when OK is false. */
  async publish(
    template: Omit<EventTemplate, 'created_at'> & { created_at?: number },
  ): Promise<Event> {
    const event = this.sign(template)
    await this.relay.publish(event)
    return event
  }

  /** The next event that matches, stored or live. */
  next(filter: Filter, test: (event: Event) => boolean = () => true, ms = 15_000): Promise<Event> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        sub.close()
        reject(new Error(`no event for ${JSON.stringify(filter)} within ${ms} ms`))
      }, ms)
      const sub = this.relay.subscribe([filter], {
        onevent: event => {
          if (!test(event)) return
          clearTimeout(timer)
          resolve(event)
          sub.close()
        },
        onclose: reason => {
          clearTimeout(timer)
          reject(new Error(`subscription closed: ${reason}`))
        },
      })
    })
  }

  decrypt<T>(event: Event): T {
    const key = nip44.getConversationKey(this.secret, event.pubkey)
    return JSON.parse(nip44.decrypt(event.content, key)) as T
  }

  close(): void {
    this.relay.close()
  }
}

export interface HostGrant {
  ingest: { rtmp: { server: string; key: string } }
  playbackUrl: string
}
export interface ViewerGrant {
  token: string
  playbackUrl: string
  qualities: string[]
  expiresAt: number
}

/** Announces a priced stream and waits for the ingest details. */
export async function announce(
  host: Person,
  d: string,
  price: [amount: string, unit: string, asset: string],
  more: string[][] = [],
): Promise<{ address: string; grant: HostGrant; event: Event }> {
  const event = await host.publish({
    kind: 30311,
    tags: [
      ['d', d],
      ['title', `Stream ${d}`],
      ['status', 'planned'],
      ['starts', String(now())],
      ['p', host.pubkey, '', 'Host'],
      ['price', ...price],
      ...more,
    ],
    content: '',
  })
  const address = `30311:${host.pubkey}:${d}`
  const grant = await host.next(
    { kinds: [5650], '#p': [host.pubkey], '#a': [address] },
    found => tag(found, 'role') === 'host',
  )
  return { address, grant: host.decrypt<HostGrant>(grant), event }
}

/** A viewer's payment session, by docs/events.md. */
export class PaymentSession {
  sequence = 0
  total = 0n
  private readonly heard: Event[] = []
  private readonly listeners = new Set<() => void>()
  viewer: Person
  readonly payee: string
  readonly address: string
  readonly streamId: string
  readonly opened: Event
  readonly accepted: Event

  private constructor(viewer: Person, opened: Event, accepted: Event) {
    this.viewer = viewer
    this.opened = opened
    this.accepted = accepted
    this.payee = tag(opened, 'p') ?? ''
    this.address = tag(opened, 'a') ?? ''
    this.streamId = tag(opened, 'stream_id') ?? ''
    this.listen()
  }

  /** One subscription for all that concerns the session, as docs/events.md advises. */
  private listen(): void {
    const filter = {
      kinds: [5613, 5614, 5615, 5650],
      '#e': [this.opened.id],
      '#p': [this.viewer.pubkey],
    }
    this.viewer.relay.subscribe([filter], {
      onevent: event => {
        this.heard.push(event)
        for (const look of [...this.listeners]) look()
      },
    })
  }

  private hears(fits: (event: Event) => boolean, ms = 15_000): Promise<Event> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.listeners.delete(look)
        reject(new Error(`nothing heard of session ${this.streamId} within ${ms} ms`))
      }, ms)
      const look = () => {
        const event = this.heard.findLast(fits)
        if (!event) return
        clearTimeout(timer)
        this.listeners.delete(look)
        resolve(event)
      }
      this.listeners.add(look)
      look()
    })
  }

  static async open(
    viewer: Person,
    payee: string,
    address: string,
    rate: [amount: string, unit: string],
    purpose = 'video_access',
  ): Promise<PaymentSession> {
    const streamId = Buffer.from(generateSecretKey()).toString('hex').slice(0, 32)
    const open = await viewer.publish({
      kind: 5610,
      tags: [
        ['stream_id', streamId],
        ['p', payee],
        ['a', address],
        ['purpose', purpose],
        ['rate', ...rate],
      ],
      content: '',
    })
    const filter = { kinds: [5611], '#p': [viewer.pubkey], '#e': [open.id] }
    return new PaymentSession(viewer, open, await viewer.next(filter))
  }

  /** Goes on over another connection, from the last receipt's figures. */
  resume(viewer: Person, total: bigint, sequence: number): void {
    this.viewer = viewer
    this.total = total
    // Gaps are legal, a sequence whose outcome is unknown is not used again.
    this.sequence = sequence + 10
    this.listen()
  }

  voucher(amount: bigint): EventTemplate {
    this.sequence += 1
    this.total += amount
    return {
      kind: 5612,
      created_at: now(),
      tags: [
        ['e', this.opened.id, '', 'open'],
        ['stream_id', this.streamId],
        ['p', this.payee],
        ['a', this.address],
        ['sequence', String(this.sequence)],
        ['total_sent', String(this.total)],
      ],
      content: '',
    }
  }

  /** Sends a voucher for `amount` more and waits for its receipt. */
  async pay(amount: bigint): Promise<Event> {
    const event = this.viewer.sign(this.voucher(amount))
    const receipt = this.viewer.next({
      kinds: [5613],
      '#p': [this.viewer.pubkey],
      '#e': [event.id],
    })
    await Promise.all([this.viewer.relay.publish(event), receipt])
    return receipt
  }

  async grant(): Promise<ViewerGrant> {
    const event = await this.hears(one => one.kind === 5650 && tag(one, 'role') === 'viewer')
    return this.viewer.decrypt<ViewerGrant>(event)
  }

  close(reason = 'complete'): Promise<Event> {
    return this.viewer.publish({
      kind: 5615,
      tags: [
        ['e', this.opened.id, '', 'open'],
        ['stream_id', this.streamId],
        ['p', this.payee],
        ['reason', reason],
        ['final_sent', String(this.total)],
      ],
      content: '',
    })
  }
}

export interface Fetched {
  status: number
  body: Buffer
  text: string
}

/** One GET, whatever the status. */
export async function get(url: string): Promise<Fetched> {
  const response = await fetch(url)
  const body = Buffer.from(await response.arrayBuffer())
  return { status: response.status, body, text: body.toString() }
}

/** URIs of a playlist, absolute. */
export function uris(playlist: string, base: string): string[] {
  const lines = playlist.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return lines.map(line => new URL(line, base).href)
}

/** Follows master -> first rendition; the media playlist and its init and segment URIs. */
export async function walk(masterUrl: string) {
  const master = await get(masterUrl)
  if (master.status !== 200)
    return { status: master.status, text: master.text, segments: [] as string[] }
  const mediaUrl = uris(master.text, masterUrl)[0] ?? ''
  const media = await get(mediaUrl)
  const init = /#EXT-X-MAP:URI="([^"]+)"/.exec(media.text)?.[1]
  return {
    status: media.status,
    text: media.text,
    master: master.text,
    init: init && new URL(init, mediaUrl).href,
    segments: media.status === 200 ? uris(media.text, mediaUrl) : [],
  }
}
