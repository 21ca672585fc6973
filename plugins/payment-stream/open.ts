import { z } from 'zod'
import {
  describePrice,
  type EventTemplate,
  isBelow,
  isPaid,
  type NostrEvent,
  parseAddress,
  parseStreamOpen,
  type Rate,
  type StreamOpen,
  streamAcceptTemplate,
  type TimeUnit,
} from '../../events/index.ts'
import { collection } from '../collection.ts'
import { type LiveStream, streamClock, streams } from '../live-stream/stream.ts'
import {
  type Decision,
  decisionOf,
  type PolicyContext,
  type Reader,
  reject,
  type Tx,
} from '../plugin.ts'
import { clockFor, type Desk, railsFor, sharesOf, unixSeconds, windowOf } from './desk.ts'
import { beginDirect, isOwnPayee } from './direct/open.ts'
import { directSessions } from './direct/session.ts'
import { CREDIT } from './rails/credit.ts'
import {
  type Session,
  sessionAt,
  sessions,
  sessionsOfStream,
  sessionsOfViewer,
  streamPrefix,
} from './session.ts'

/** `<viewer> <stream_id>` -> session: a stream_id is used once. */
export const usedStreamIds = collection('stream-id-used', z.object({ session: z.string() }))
/** `<viewer> <host> <day>` -> session that had the free preview. */
const previews = collection('preview', z.object({ session: z.string() }))
/** `<viewer> <host> <day>` -> what a settled session left unpaid. */
export const arrears = collection('arrears', z.object({ session: z.string() }))

export const dayKey = (viewer: string, host: string, nowMs: number): string =>
  `${viewer} ${host} ${new Date(nowMs).toISOString().slice(0, 10)}`

interface Admitted {
  readonly stream: LiveStream
  readonly asset: string
}

/** Opens sessions: the 5610, its 5611 and the session stand or fall together; what cannot be opened hears why. */
export function opener(desk: Desk) {
  const { host, options } = desk
  return async (event: NostrEvent, ctx: PolicyContext): Promise<Decision> => {
    const said = parseStreamOpen(event)
    if (!said.ok) return reject(`invalid: ${said.msg}`)
    if (ctx.source.type !== 'IP4' && ctx.source.type !== 'IP6')
      return reject('blocked: payment sessions are opened by their viewers only')
    // Once its session is forgotten, an old 5610 must not open it again.
    if (Math.abs(ctx.receivedAt - event.created_at) > options.maxOpenAgeSeconds)
      return reject(`invalid: created_at is more than ${options.maxOpenAgeSeconds} s from now`)
    return host.store.transaction(async tx => {
      const open = said.value
      if ((await sessions.get(tx, open.id)) ?? (await directSessions.get(tx, open.id)))
        return { action: 'accept' }
      const admitted = await admit(tx, desk, open)
      if (typeof admitted === 'string') return reject(admitted)
      const outcome = await tx.putEvent(event)
      if (outcome !== 'stored') return decisionOf(outcome)
      await usedStreamIds.put(tx, `${open.viewer} ${open.streamId}`, { session: open.id })
      if (open.payee === host.self) await begin(tx, desk, open, admitted)
      else await beginDirect(tx, desk, open, admitted)
      return decisionOf(outcome)
    })
  }
}

/** The 5611 that says no, for a viewer whose OK was not ours to give (beside strfry). */
export function refusedOpen(
  event: NostrEvent,
  msg: string,
  nowMs: number,
): EventTemplate | undefined {
  const said = parseStreamOpen(event)
  if (!said.ok) return undefined
  const { id: session, streamId, viewer, address, asset = CREDIT } = said.value
  const none = { maxReceive: 0n, freePreviewSeconds: 0, scale: 0, rails: [] }
  return streamAcceptTemplate(
    { session, streamId, viewer, address, status: 'rejected', asset, ...none, message: msg },
    unixSeconds(nowMs),
  )
}

/** Why the session cannot be opened, or what it is opened for. */
async function admit(tx: Reader, desk: Desk, open: StreamOpen): Promise<string | Admitted> {
  const direct = open.payee !== desk.host.self
  if (direct && !paysItsHost(desk, open))
    return `restricted: payments here go to the relay, name ${desk.host.self} in p`
  if (open.purpose !== 'video_access' && open.purpose !== 'tip')
    return `restricted: purpose ${open.purpose} is not offered here, use video_access or tip`
  const stream = open.address ? await streams.get(tx, open.address) : undefined
  if (!stream) return 'restricted: this relay serves no such stream'
  if (stream.status === 'ended') return 'restricted: this stream is over'
  const asset = stream.price?.asset ?? open.asset ?? desk.rails[0]?.asset ?? CREDIT
  if (direct && open.purpose === 'video_access' && !isPaid(stream))
    return 'restricted: this stream is free, its host takes no payments for it'
  const wanted = assetProblem(desk, open, asset, direct) ?? rateProblem(open, stream)
  if (wanted) return `restricted: ${wanted}`
  if (await usedStreamIds.get(tx, `${open.viewer} ${open.streamId}`))
    return 'restricted: this stream_id was used before, choose another'
  const mine = await sessionsOfViewer.list(tx, { prefix: `${open.viewer} ` })
  const most = desk.options.maxOpenSessions
  if (mine.length >= most)
    return `restricted: you have ${most} sessions open, close one of them first`
  return { stream, asset }
}

const paysItsHost = (desk: Desk, { payee, address = '' }: StreamOpen): boolean =>
  parseAddress(address)?.pubkey === payee && isOwnPayee(desk, payee)

function assetProblem(
  desk: Desk,
  open: StreamOpen,
  asset: string,
  direct: boolean,
): string | undefined {
  if (open.asset !== undefined && open.asset !== asset)
    return `this stream is paid in ${asset}, not in ${open.asset}`
  // On which rails its money comes is between the host and the viewer.
  if (direct) return undefined
  const rails = railsFor(desk, asset)
  if (rails.length === 0) return `nothing here takes ${asset}`
  if (open.rail !== undefined && !rails.some(rail => rail.id === open.rail))
    return `there is no rail "${open.rail}" for ${asset} here, use ${rails.map(rail => rail.id).join(' or ')}`
  return undefined
}

function rateProblem({ purpose, rate }: StreamOpen, stream: LiveStream): string | undefined {
  if (purpose === 'tip' || !isPaid(stream)) return undefined
  const { price } = stream
  if (rate.unit === 'chunk')
    return `this stream costs ${describePrice(price)}, it is not sold by the chunk`
  if (!isBelow(rate as Rate<TimeUnit>, price)) return undefined
  const unit = rate.unit === price.unit ? '' : ` per ${rate.unit}`
  return `this stream costs ${describePrice(price)}, you offered ${rate.amount}${unit}`
}

/** Every open session of the viewer that the relay bills. */
async function openOf(reader: Reader, viewer: string): Promise<Session[]> {
  const rows = await sessionsOfViewer.list(reader, { prefix: `${viewer} ` })
  const found = await Promise.all(
    rows.map(({ key }) => sessions.get(reader, key.slice(viewer.length + 1))),
  )
  return found.filter(session => session !== undefined)
}

async function begin(tx: Tx, desk: Desk, open: StreamOpen, admitted: Admitted): Promise<void> {
  const { host, options, credit } = desk
  const { stream, asset } = admitted
  const nowMs = host.clock.now()
  const clock = streamClock(stream, nowMs)
  await credit?.welcome(tx, open.viewer, nowMs)
  const preview = await startPreview(tx, open, stream, nowMs)
  const free = { amount: 0n, unit: 'second' } as const
  const watches = open.purpose === 'video_access'
  const { amount, unit } = (watches && stream.price) || free
  const draft: Session = {
    id: open.id,
    viewer: open.viewer,
    address: stream.address,
    streamId: open.streamId,
    purpose: watches ? 'video_access' : 'tip',
    asset,
    maxTotal: open.maxTotal,
    openedAt: nowMs,
    epochs: [{ rate: { amount, unit }, activeMs: 0 }],
    shares: sharesOf(desk, stream.host),
    graceMs: (await owes(tx, stream, open.viewer, nowMs)) ? 0 : options.graceSeconds * 1000,
    asOf: clock,
    previewEndsAt: preview ? clock + stream.freePreviewSeconds * 1000 : undefined,
    received: 0n,
    recognised: 0n,
    maxReceive: 0n,
    secret: desk.ilp?.asset === asset ? hex(host.random(32)) : undefined,
    accept: '',
    status: 'open',
  }
  const maxReceive = windowOf(desk, draft, clock)
  const accept = host.sign(
    streamAcceptTemplate(
      {
        session: open.id,
        streamId: open.streamId,
        viewer: open.viewer,
        address: stream.address,
        status: 'accepted',
        asset,
        scale: railsFor(desk, asset)[0]?.scale ?? 0,
        maxReceive,
        freePreviewSeconds: preview ? stream.freePreviewSeconds : 0,
        rails: railsFor(desk, asset).map(rail => rail.offer),
        ...invitation(desk, draft),
        message: '',
      },
      unixSeconds(nowMs),
    ),
  )
  await tx.putEvent(accept)
  await sessions.put(tx, open.id, { ...draft, maxReceive, accept: accept.id })
  await sessionsOfViewer.put(tx, `${open.viewer} ${open.id}`, { address: stream.address })
  const prefix = streamPrefix(stream.address)
  const others = await sessionsOfStream.list(tx, { prefix, limit: 1 })
  const entry = { address: stream.address, session: open.id }
  await sessionsOfStream.put(tx, prefix + open.id, entry)
  if (others.length === 0) {
    const runAt = nowMs + options.watchSeconds * 1000
    await tx.enqueue({ name: 'watch', key: stream.address, runAt })
  }
}

/** What a viewer needs to pay by ILP packets: for the viewer's eyes only. */
function invitation({ host, ilp }: Desk, { id, viewer, secret }: Session) {
  if (!ilp || secret === undefined) return {}
  return {
    sharedSecret: host.encrypt(viewer, secret),
    ilpAddress: host.encrypt(viewer, `${ilp.address}.${id}`),
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** One free preview for each viewer, host and day, whatever they open and close in it. */
async function startPreview(
  tx: Tx,
  open: StreamOpen,
  stream: LiveStream,
  nowMs: number,
): Promise<boolean> {
  if (open.purpose !== 'video_access' || stream.freePreviewSeconds === 0 || !isPaid(stream))
    return false
  const key = dayKey(open.viewer, stream.host, nowMs)
  if (await previews.get(tx, key)) return false
  await previews.put(tx, key, { session: open.id })
  return true
}

/** Grace is credit: who owes for another session of this host, open or settled today, gets none. */
async function owes(
  reader: Reader,
  stream: LiveStream,
  viewer: string,
  nowMs: number,
): Promise<boolean> {
  if (await arrears.get(reader, dayKey(viewer, stream.host, nowMs))) return true
  for (const session of await openOf(reader, viewer)) {
    if (parseAddress(session.address)?.pubkey !== stream.host) continue
    const { due } = sessionAt(session, await clockFor(reader, session, nowMs))
    if (session.purpose === 'video_access' && due > session.received) return true
  }
  return false
}
