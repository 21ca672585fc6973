import type { Clock, Logger } from '../../../plugin.ts'
import type { MediaEvent, RestreamState, RestreamTarget } from '../../backend.ts'
import type { FlvTag } from '../rtmp/session.ts'
import { RtmpPush } from './rtmp-push.ts'
import { readTarget } from './target-url.ts'

const FIRST_WAIT_MS = 1000
const LONGEST_WAIT_MS = 60_000

interface RestreamOptions {
  readonly clock: Clock
  readonly log: Logger
  /** May targets lie inside this machine and its network? */
  readonly innerTargets: boolean
  onEvent(event: MediaEvent): void
}

/** Sends streams on to other RTMP servers, as their publishers send them: nothing is decoded. */
export function restreams(options: RestreamOptions) {
  const outlets = new Map<string, Map<string, Outlet>>()
  /** Streams with a publisher, and what a target must have first. */
  const flowing = new Map<string, () => FlvTag[]>()
  const of = (id: string) => [...(outlets.get(id)?.values() ?? [])]

  return {
    /** From now on the stream goes to exactly these. A target that stays goes on undisturbed. */
    set(id: string, targets: readonly RestreamTarget[]): void {
      const before = outlets.get(id)
      const after = new Map<string, Outlet>()
      for (const target of targets) {
        const known = before?.get(target.id)
        const same = known?.target.url === target.url
        after.set(target.id, same && known ? known : new Outlet(id, target, options))
      }
      for (const outlet of of(id)) if (after.get(outlet.target.id) !== outlet) outlet.rest()
      if (after.size > 0) outlets.set(id, after)
      else outlets.delete(id)
      const first = flowing.get(id)
      if (first) for (const outlet of of(id)) outlet.begin(first)
    },
    /** A publisher begins. `first` gives what makes its media playable from here: headers, and all since the last keyframe. */
    begin(id: string, first: () => FlvTag[]): void {
      flowing.set(id, first)
      // Another publisher's clock is another one: targets are told so by a new connection.
      for (const outlet of of(id)) {
        outlet.rest()
        outlet.begin(first)
      }
    },
    take(id: string, tag: FlvTag): void {
      for (const outlet of outlets.get(id)?.values() ?? []) outlet.take(tag)
    },
    /** The publisher is gone. */
    rest(id: string): void {
      flowing.delete(id)
      for (const outlet of of(id)) outlet.rest()
    },
    close(): void {
      for (const id of [...outlets.keys()]) this.rest(id)
    },
  }
}

/** One target of one stream: connected while media flows, tried again with growing pauses while it does not take it. */
class Outlet {
  readonly target: RestreamTarget
  private readonly stream: string
  private readonly options: RestreamOptions
  private first: (() => FlvTag[]) | undefined
  private push: RtmpPush | undefined
  private taking = false
  private waitMs = FIRST_WAIT_MS
  private again: NodeJS.Timeout | undefined
  private told = ''

  constructor(stream: string, target: RestreamTarget, options: RestreamOptions) {
    this.stream = stream
    this.target = target
    this.options = options
  }

  begin(first: () => FlvTag[]): void {
    if (this.first) return
    this.first = first
    this.waitMs = FIRST_WAIT_MS
    this.connect()
  }

  take(tag: FlvTag): void {
    if (this.taking) this.push?.send(tag)
  }

  rest(): void {
    if (!this.first) return
    this.first = undefined
    clearTimeout(this.again)
    this.push?.close()
    this.push = undefined
    this.taking = false
    this.tell('disconnected')
  }

  private connect(): void {
    const { url } = this.target
    const { innerTargets: inner } = this.options
    let push: RtmpPush
    try {
      push = new RtmpPush(readTarget(url, inner), { inner })
    } catch (error) {
      // Trying again makes no better address of it.
      return this.tell('failed', error instanceof Error ? error.message : 'the address is wrong')
    }
    this.push = push
    push.ready.then(
      () => this.onReady(push),
      () => undefined,
    )
    void push.ended.then(cause => this.onEnd(push, cause))
  }

  private onReady(push: RtmpPush): void {
    if (this.push !== push || !this.first) return
    for (const tag of this.first()) push.send(tag)
    this.taking = true
    this.tell('connected')
  }

  private onEnd(push: RtmpPush, cause: string): void {
    if (this.push !== push) return
    // What was taken for a while was well: begin with short pauses again.
    if (this.taking) this.waitMs = FIRST_WAIT_MS
    this.push = undefined
    this.taking = false
    this.tell('failed', `the server ${cause}, it is tried again`)
    this.again = setTimeout(() => this.connect(), this.waitMs)
    this.waitMs = Math.min(2 * this.waitMs, LONGEST_WAIT_MS)
  }

  /** Says a state once. */
  private tell(state: RestreamState, problem?: string): void {
    const words = `${state} ${problem}`
    if (this.told === words) return
    this.told = words
    const { clock, log, onEvent } = this.options
    const { id: target, name } = this.target
    log.info({ stream: this.stream, target, name, state, cause: problem }, 'sending on')
    onEvent({ type: 'restream', id: this.stream, at: clock.now(), target, state, problem })
  }
}
