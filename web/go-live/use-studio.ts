import { useEffect, useState } from 'preact/hooks'
import { sentenceOf } from '../../client/errors.ts'
import { host, type Show } from '../../client/host.ts'
import type { Signer } from '../../client/signer.ts'
import type { Stream } from '../../client/stream-book.ts'
import { type HostGrant, kinds } from '../../events/index.ts'
import { useApp } from '../app/app.ts'
import { ticketOf } from '../watch/ticket.ts'
import { useStream } from '../watch/use-stream.ts'

/** What a host's own page knows of its stream. */
export interface StudioState {
  readonly address: string
  readonly stream?: Stream
  /** Where the media goes, once the relay has said so. */
  readonly grant?: HostGrant
  /** The stream's public id, by which the relay's API knows it. */
  readonly id?: string
  readonly signer?: Signer
  readonly problem: string
  fail(error: unknown): void
  end(): Promise<void>
}

/** Follows the host's show: its stream, and the ingest details as they come and change. */
export function useStudio(show: Show, pubkey: string): StudioState {
  const { relay, info, identity } = useApp()
  const self = info.value?.self
  const address = `${kinds.LiveStream}:${pubkey}:${show.d}`
  const found = useStream(address)
  const [grant, setGrant] = useState<HostGrant | undefined>(undefined)
  const [problem, setProblem] = useState('')
  const fail = (error: unknown) => setProblem(error ? sentenceOf(error) : '')

  useEffect(() => {
    if (!self) return
    const take = (next: HostGrant) => {
      setGrant(next)
      setProblem(next.problem ?? '')
    }
    let stop = () => {}
    let gone = false
    host(relay, self)
      .onIngest(address, take, fail)
      .then(end => {
        stop = end
        if (gone) end()
      }, fail)
    return () => {
      gone = true
      stop()
    }
  }, [relay, self, address])

  return {
    address,
    stream: found.state === 'found' ? found.stream : undefined,
    grant,
    id: ticketOf(grant?.playbackUrl ?? ''),
    signer: identity.signer.value,
    problem,
    fail,
    end: async () => {
      if (self) await host(relay, self).end(show)
    },
  }
}
