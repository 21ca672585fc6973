import { kinds } from '../../../events/index.ts'
import { hostUrl } from '../../playback/recordings.ts'
import type { Host } from '../../plugin.ts'
import type { Recordings } from '../backend.ts'
import { type LiveStream, streams } from '../stream.ts'
import type { Call } from './handlers.ts'
import { HttpProblem } from './problem.ts'

/** How long the addresses in a list open their files, seconds. */
const OPEN_SECONDS = 86_400

/** A host's own recordings: lists with addresses that open them, and a way to delete one. `recordings`: absent where none are made. */
export function recordingHandlers(host: Host, recordings: Recordings | undefined) {
  const expiry = (): number => Math.floor(host.clock.now() / 1000) + OPEN_SECONDS

  /** A stream's recordings, newest first, with addresses that open their files. */
  async function listOf(stream: LiveStream, expiresAt: number) {
    const found = (await recordings?.list(stream.id)) ?? []
    return found.map(({ mp4, ...said }) => {
      const url = (file: string) => hostUrl(host, stream, { name: said.name, file }, expiresAt)
      return { ...said, url: url('index.m3u8'), mp4: mp4.map(url) }
    })
  }

  return {
    async listRecordings({ stream }: Call) {
      const urlsExpireAt = expiry()
      const list = await listOf(stream, urlsExpireAt)
      return { stream: stream.address, recordings: list, urlsExpireAt }
    },

    /** One signature for all of a host's streams: some signers ask their person each time. */
    async listAllRecordings({ pubkey }: Call) {
      const urlsExpireAt = expiry()
      const mine = await streams.list(host.store, { prefix: `${kinds.LiveStream}:${pubkey}:` })
      const lists = mine.map(async ({ value: { address, title }, value }) =>
        (await listOf(value, urlsExpireAt)).map(one => ({ stream: address, title, ...one })),
      )
      const all = (await Promise.all(lists)).flat().sort((a, b) => b.startedAt - a.startedAt)
      return { recordings: all, urlsExpireAt }
    },

    async deleteRecording({ stream, recording }: Call) {
      if (!(await recordings?.delete(stream.id, recording)))
        throw new HttpProblem(404, 'there is no such recording (any more)')
      return { deleted: recording }
    },
  }
}
