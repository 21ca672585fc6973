import { type EventTemplate, isHex64, kinds, type NostrEvent } from '../events/index.ts'
import {
  type Bunker,
  type ClientLabel,
  nostrConnectUri,
  PERMISSIONS,
  parseBunker,
} from './bunker.ts'
import { SignerSilent, SigningRefused } from './errors.ts'
import { generateSecret, LocalSigner } from './local-signer.ts'
import { randomHex } from './random.ts'
import type { Relay } from './relay.ts'
import { RelayPool } from './relay-pool.ts'
import type { Signer } from './signer.ts'
import type { Connect } from './socket.ts'
import { isVerified } from './verified.ts'

export interface RemoteSignerOptions {
  /** How to open sockets; the platform's own WebSocket by default. */
  readonly connect?: Connect
  /** How long a person may take to answer. */
  readonly timeoutMs?: number
  /** The signer wants its person to look at this page first. */
  readonly onAuthUrl?: (url: string) => void
}

/** What to keep (secretly) so that a later visit needs no pairing. */
export interface RemoteSession {
  readonly clientSecret: string
  readonly pubkey: string
  readonly relays: readonly string[]
  /** The person's own pubkey, once it was told. */
  readonly person?: string
}

interface Waiting {
  readonly method: string
  readonly params: readonly string[]
  resolve(result: string): void
  reject(error: Error): void
}

const TIMEOUT_MS = 120_000

/**
 * A key that lives elsewhere: each signature is asked for over relays, and answered by an app on the person's phone or
 * by a bunker. Source: NIP-46 (kind 24133, NIP-44).
 *
 * Example: `const signer = await RemoteSigner.bunker('bunker://…?relay=wss://…&secret=…')`, later
 * `RemoteSigner.resume(signer.session)`.
 */
export class RemoteSigner implements Signer {
  readonly type = 'nip46'
  readonly #relay: Relay
  readonly #me: LocalSigner
  readonly #options: RemoteSignerOptions
  readonly #waiting = new Map<string, Waiting>()
  readonly #clientSecret: string
  readonly #relays: readonly string[]
  #remote = ''
  #person: string | undefined
  #known: Promise<string> | undefined
  #end: () => void = () => {}

  private constructor(
    clientSecret: string,
    relays: readonly string[],
    options: RemoteSignerOptions,
  ) {
    this.#clientSecret = clientSecret
    this.#relays = relays
    this.#options = options
    this.#me = new LocalSigner(clientSecret)
    const urls = relays.map(url => ({ url }))
    this.#relay = new RelayPool(urls, { signer: this.#me, connect: options.connect })
    // Answers are ephemeral: one that came while the connection was away is gone, so the question is put again.
    let lost = false
    this.#relay.onStatus(status => {
      if (status !== 'open') lost = true
      if (status !== 'open' || !lost) return
      for (const [id, waiting] of this.#waiting) void this.#put(id, waiting)
    })
  }

  /** Pairs with the signer of a bunker:// address. Rejects with `BadBunkerAddress`, `SigningRefused` or `SignerSilent`. */
  static async bunker(address: string, options: RemoteSignerOptions = {}): Promise<RemoteSigner> {
    const bunker = parseBunker(address)
    const signer = RemoteSigner.#to(generateSecret(), bunker, options)
    try {
      await signer.#ask('connect', [bunker.pubkey, bunker.secret ?? '', PERMISSIONS])
      await signer.pubkey()
      return signer
    } catch (error) {
      signer.close()
      throw error
    }
  }

  /** Takes up a session of before, without asking anybody. */
  static resume(session: RemoteSession, options: RemoteSignerOptions = {}): RemoteSigner {
    const signer = RemoteSigner.#to(session.clientSecret, session, options)
    if (isHex64(session.person)) signer.#person = session.person
    return signer
  }

  /**
   * Waits to be let in by an app that opens `uri` (as a link, or scanned). `signer` rejects with `SignerSilent` when
   * nobody does; `cancel` stops waiting.
   */
  static nostrConnect(
    relays: readonly string[],
    label: ClientLabel,
    options: RemoteSignerOptions = {},
  ): { uri: Promise<string>; signer: Promise<RemoteSigner>; cancel(): void } {
    const signer = new RemoteSigner(generateSecret(), relays, options)
    const secret = randomHex(16)
    const uri = signer.#me.pubkey().then(me => nostrConnectUri(me, relays, secret, label))
    const paired = signer.#pair(secret).then(
      () => signer,
      error => {
        signer.close()
        throw error
      },
    )
    return { uri, signer: paired, cancel: () => signer.#refuseAll(new SignerSilent()) }
  }

  static #to(clientSecret: string, { pubkey, relays }: Bunker, options: RemoteSignerOptions) {
    const signer = new RemoteSigner(clientSecret, relays, options)
    signer.#remote = pubkey
    signer.#listen()
    return signer
  }

  /** Holds the key of this pairing: keep it as you keep a secret key. */
  get session(): RemoteSession {
    const [clientSecret, pubkey, relays] = [this.#clientSecret, this.#remote, this.#relays]
    return { clientSecret, pubkey, relays, person: this.#person }
  }

  pubkey(): Promise<string> {
    if (this.#person) return Promise.resolve(this.#person)
    this.#known ??= this.#ask('get_public_key', []).then(pubkey => {
      if (!isHex64(pubkey)) throw new SigningRefused(pubkey, 'Your remote signer names no pubkey.')
      this.#person = pubkey
      return pubkey
    })
    this.#known.catch(() => {
      this.#known = undefined
    })
    return this.#known
  }

  async sign(template: EventTemplate): Promise<NostrEvent> {
    const [me, text] = await Promise.all([
      this.pubkey(),
      this.#ask('sign_event', [JSON.stringify(template)]),
    ])
    const event = parseJson(text) as NostrEvent | undefined
    // What comes back is another's word: it has to be what was asked for, signed by who it should be.
    if (!event || event.pubkey !== me || !isSame(template, event) || !isVerified(event))
      throw new SigningRefused(text, 'Your remote signer signed something else. Nothing was sent.')
    return event
  }

  encrypt(to: string, text: string): Promise<string> {
    return this.#ask('nip44_encrypt', [to, text])
  }

  decrypt(from: string, text: string): Promise<string> {
    return this.#ask('nip44_decrypt', [from, text])
  }

  /** Ends the connection; what was asked is rejected. */
  close(): void {
    this.#end()
    this.#refuseAll(new SignerSilent())
    this.#relay.close()
  }

  #ask(method: string, params: readonly string[]): Promise<string> {
    const id = randomHex(8)
    return this.#wait(id, method, params, waiting => void this.#put(id, waiting))
  }

  /** Waits for the answer to `id`; forgets it after the time that a person is given. */
  #wait(
    id: string,
    method: string,
    params: readonly string[],
    begin: (waiting: Waiting) => void,
  ): Promise<string> {
    return new Promise<string>((resolve, reject) => {
      const timer = setTimeout(
        () => this.#waiting.get(id)?.reject(new SignerSilent()),
        this.#options.timeoutMs ?? TIMEOUT_MS,
      )
      const settled = () => {
        clearTimeout(timer)
        this.#waiting.delete(id)
      }
      const waiting: Waiting = {
        method,
        params,
        resolve(result) {
          settled()
          resolve(result)
        },
        reject(error) {
          settled()
          reject(error)
        },
      }
      this.#waiting.set(id, waiting)
      begin(waiting)
    })
  }

  async #put(id: string, { method, params, reject }: Waiting): Promise<void> {
    if (this.#remote === '') return
    try {
      const content = JSON.stringify({ id, method, params })
      await this.#relay.send({
        kind: kinds.RemoteSigning,
        created_at: Math.floor(Date.now() / 1000),
        tags: [['p', this.#remote]],
        content: await this.#me.encrypt(this.#remote, content),
      })
    } catch (error) {
      reject(error as Error)
    }
  }

  #listen(): void {
    void this.#me.pubkey().then(me => {
      this.#end = this.#relay.subscribe(
        [{ kinds: [kinds.RemoteSigning], authors: [this.#remote], '#p': [me] }],
        { onEvent: event => void this.#received(event) },
      )
    })
  }

  async #received(event: NostrEvent): Promise<void> {
    const answer = await this.#open(event)
    const waiting = answer && this.#waiting.get(answer.id)
    if (!waiting) return
    if (answer.result === 'auth_url') this.#options.onAuthUrl?.(answer.error ?? '')
    else if (answer.error)
      waiting.reject(
        new SigningRefused(answer.error, `Your remote signer refused: ${answer.error}`),
      )
    else waiting.resolve(answer.result ?? '')
  }

  /** nostrconnect://: whoever answers with our secret is the signer. */
  async #pair(secret: string): Promise<void> {
    const me = await this.#me.pubkey()
    const end = this.#relay.subscribe([{ kinds: [kinds.RemoteSigning], '#p': [me] }], {
      onEvent: event =>
        void this.#open(event).then(answer => {
          if (answer?.result !== secret || this.#remote !== '') return
          this.#remote = event.pubkey
          this.#waiting.get(PAIRING)?.resolve('')
        }),
    })
    try {
      await this.#wait(PAIRING, 'connect', [], () => {})
      this.#listen()
      await this.pubkey()
    } finally {
      end()
    }
  }

  async #open(event: NostrEvent): Promise<Answer | undefined> {
    const text = await this.#me.decrypt(event.pubkey, event.content).catch(() => '')
    return parseJson(text) as Answer | undefined
  }

  #refuseAll(error: Error): void {
    for (const waiting of [...this.#waiting.values()]) waiting.reject(error)
  }
}

interface Answer {
  readonly id: string
  readonly result?: string
  readonly error?: string
}

/** Nobody is asked this: it waits for the other side to begin. */
const PAIRING = 'pairing'

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const isSame = (template: EventTemplate, event: NostrEvent): boolean =>
  event.kind === template.kind &&
  event.created_at === template.created_at &&
  event.content === template.content &&
  JSON.stringify(event.tags) === JSON.stringify(template.tags)
