import { kinds, type NostrEvent, tagValue } from '../events/index.ts'

const MAX_SKEW_SECONDS = 600

/** What is wrong with a NIP-42 answer, apart from its signature; undefined when nothing is. */
export function authProblem(
  event: NostrEvent,
  challenge: string,
  isOurUrl: (url: string) => boolean,
  now: number,
): string | undefined {
  if (event.kind !== kinds.Auth) return 'AUTH needs an event of kind 22242'
  if (Math.abs(now - event.created_at) > MAX_SKEW_SECONDS)
    return 'created_at is more than 10 minutes off, check your clock'
  if (tagValue(event, 'challenge') !== challenge)
    return 'this is not the challenge of this connection'
  if (!isOurUrl(tagValue(event, 'relay') ?? '')) return 'the relay tag names another relay'
  return undefined
}
