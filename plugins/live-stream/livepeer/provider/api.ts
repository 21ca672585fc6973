import { z } from 'zod'
import type { Profile } from '../options.ts'
import { BadAnswer, ProviderRefused } from './failure.ts'
import type { ProviderGuard } from './guard.ts'

/** A stream as the provider has it; what we do not need of it is left out. Times in unix ms. */
const streamShape = z.object({
  id: z.string(),
  name: z.string(),
  playbackId: z.string(),
  streamKey: z.string().optional(),
  createdAt: z.number().default(0),
  isActive: z.boolean().nullish(),
  isHealthy: z.boolean().nullish(),
  issues: z.array(z.string()).nullish(),
  suspended: z.boolean().nullish(),
  multistream: z
    .object({ targets: z.array(z.object({ id: z.string().optional() })).nullish() })
    .nullish(),
})
export type ProviderStream = z.output<typeof streamShape>

const signingKeyShape = z.object({ id: z.string(), name: z.string(), publicKey: z.string() })
const newSigningKeyShape = signingKeyShape.extend({ privateKey: z.string() })
const webhookShape = z.object({ id: z.string(), url: z.string() })
const sessionShape = z.object({
  id: z.string(),
  createdAt: z.number().default(0),
  recordingStatus: z.string().nullish(),
  recordingUrl: z.string().nullish(),
})
export type ProviderSession = z.output<typeof sessionShape>

const targetNameShape = z.object({ name: z.string().optional() })

/** The most that one page of a list holds there; without it a page has twenty. */
const PAGE = 1000
const MAX_PAGES = 100

/**
 * The provider's API, as much of it as we need: the SDK where it fits the server, plain requests where it does not (its
 * lists neither filter nor page, and it takes a 201 for nothing). Each request goes through the guard.
 */
export async function livepeerApi(options: {
  serverUrl: string
  apiKey: string
  timeoutMs: number
  guard: ProviderGuard
}) {
  const { serverUrl, apiKey, timeoutMs, guard } = options
  // Takes a fifth of a second to load: only who uses it pays for it.
  const { Livepeer } = await import('livepeer')
  const sdk = new Livepeer({ apiKey, serverURL: serverUrl, timeoutMs })

  async function request(method: string, url: string, body?: object) {
    const response = await fetch(url, {
      method,
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    })
    const text = await response.text()
    if (!response.ok) throw new BadAnswer(response, text)
    return { value: text === '' ? undefined : JSON.parse(text), link: response.headers.get('link') }
  }
  const ask = (operation: string, again: boolean, method: string, path: string, body?: object) =>
    guard.call(operation, again, () => request(method, serverUrl + path, body))

  const deleteTarget = (id: string): Promise<unknown> =>
    unlessGone(guard.call('target.delete', true, () => sdk.multistream.delete(id)))

  return {
    /** Not repeated when its outcome is unknown: look for the name first. */
    async create(stream: {
      name: string
      profiles: readonly Profile[]
      record: boolean
      playbackPolicy: 'jwt' | 'public'
      userTags: Record<string, string>
    }): Promise<ProviderStream> {
      const { playbackPolicy: type, profiles, ...rest } = stream
      const payload = { ...rest, profiles: [...profiles], playbackPolicy: { type: type as never } }
      const made = await guard.call('stream.create', false, () => sdk.stream.create(payload))
      return streamShape.parse(made.stream)
    },
    get: (id: string): Promise<ProviderStream | undefined> =>
      unlessGone(
        guard.call('stream.get', true, async () =>
          streamShape.parse((await sdk.stream.get(id)).stream),
        ),
      ),
    /** All streams whose name contains `name`; `active`: only those that are pushed to now. */
    async list(wanted: { name: string; active?: boolean }): Promise<ProviderStream[]> {
      const query = new URLSearchParams({
        streamsonly: '1',
        limit: String(PAGE),
        filters: JSON.stringify([{ id: 'name', value: wanted.name }]),
      })
      if (wanted.active) query.set('active', 'true')
      const found: ProviderStream[] = []
      let path: string | undefined = `/stream?${query}`
      for (let page = 0; path !== undefined && page < MAX_PAGES; page++) {
        const { value, link } = await ask('stream.list', true, 'GET', path)
        found.push(...z.array(streamShape).parse(value))
        // Of the link only the cursor is taken: it names the server as its proxy knows it.
        const next = /<([^>]+)>;\s*rel="?next"?/.exec(link ?? '')?.[1]
        const cursor = next && new URL(next, serverUrl).searchParams.get('cursor')
        if (cursor) query.set('cursor', cursor)
        path = cursor ? `/stream?${query}` : undefined
      }
      return found.filter(stream => stream.name.includes(wanted.name))
    },
    suspend: (id: string, suspended: boolean): Promise<unknown> =>
      unlessGone(guard.call('stream.update', true, () => sdk.stream.update({ suspended }, id))),
    /** Ends the running session; one that was ended a moment ago is left alone (429 there). */
    terminate: (id: string): Promise<unknown> =>
      unlessGone(guard.call('stream.terminate', false, () => sdk.stream.terminate(id))),
    /** With what it was sent on to: the targets would stay, and the keys in them. */
    async delete(stream: Pick<ProviderStream, 'id' | 'multistream'>): Promise<void> {
      for (const { id } of stream.multistream?.targets ?? []) if (id) await deleteTarget(id)
      await unlessGone(guard.call('stream.delete', true, () => sdk.stream.delete(stream.id)))
    },
    /** What it is sent on to, in place of what was before: targets that are there by id, and new ones. Not repeated. */
    setTargets: (
      id: string,
      kept: readonly string[],
      added: readonly { name: string; url: string }[],
    ): Promise<unknown> =>
      guard.call('stream.multistream', false, () => {
        const profile = 'source'
        const targets = [
          ...kept.map(known => ({ profile, id: known })),
          ...added.map(spec => ({ profile, spec })),
        ]
        return sdk.stream.update({ multistream: { targets } }, id)
      }),
    async targetName(id: string): Promise<string | undefined> {
      const path = `/multistream/target/${encodeURIComponent(id)}`
      const answer = await unlessGone(ask('target.get', true, 'GET', path))
      return answer && targetNameShape.parse(answer.value).name
    },
    deleteTarget,
    /** How many watch at the provider itself now. */
    async viewers(playbackId: string): Promise<number | undefined> {
      const { data } = await guard.call('metrics.viewers', true, () =>
        sdk.metrics.getRealtimeViewership(playbackId),
      )
      return data?.reduce((sum, { viewCount }) => sum + viewCount, 0)
    },
    /** Where the stream's HLS begins. */
    async playbackUrl(playbackId: string): Promise<string | undefined> {
      const { playbackInfo } = await guard.call('playback.get', true, () =>
        sdk.playback.get(playbackId),
      )
      return playbackInfo?.meta.source.find(one => one.type.includes('mpegurl'))?.url
    },
    /** The stream's sessions with their recordings, newest first. */
    async sessions(id: string): Promise<ProviderSession[]> {
      const path = `/stream/${encodeURIComponent(id)}/sessions?record=1`
      const answer = await unlessGone(ask('session.list', true, 'GET', path))
      const found = answer ? z.array(sessionShape).parse(answer.value) : []
      return found.sort((a, b) => b.createdAt - a.createdAt)
    },
    /** Where a session's recording is, once it is ready. What lists and webhooks say of it may be relative; this is not. */
    async recordingUrl(session: ProviderSession): Promise<string | undefined> {
      const path = `/session/${encodeURIComponent(session.id)}`
      const answer = await unlessGone(ask('session.get', true, 'GET', path))
      const said = (answer && sessionShape.parse(answer.value).recordingUrl) ?? session.recordingUrl
      return said ? new URL(said, serverUrl).href : undefined
    },
    async signingKeys() {
      const { value } = await ask('key.list', true, 'GET', '/access-control/signing-key')
      return z.array(signingKeyShape).parse(value)
    },
    async newSigningKey(name: string) {
      const path = '/access-control/signing-key'
      const { value } = await ask('key.create', false, 'POST', path, { name })
      return newSigningKeyShape.parse(value)
    },
    deleteSigningKey: (id: string): Promise<unknown> =>
      unlessGone(
        ask('key.delete', true, 'DELETE', `/access-control/signing-key/${encodeURIComponent(id)}`),
      ),
    async webhooks() {
      const { value } = await ask('webhook.list', true, 'GET', '/webhook')
      return z.array(webhookShape).parse(value)
    },
    addWebhook: (webhook: {
      name: string
      url: string
      events: readonly string[]
      sharedSecret: string
    }) => ask('webhook.create', false, 'POST', '/webhook', webhook),
  }
}
export type LivepeerApi = Awaited<ReturnType<typeof livepeerApi>>

/** A 404 is an answer: it is not there. */
async function unlessGone<T>(answer: Promise<T>): Promise<T | undefined> {
  return answer.catch(error => {
    if (error instanceof ProviderRefused && error.status === 404) return undefined
    throw error
  })
}
