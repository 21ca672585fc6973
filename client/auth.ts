import { type EventTemplate, kinds } from '../events/index.ts'
import { RelayTimeout } from './errors.ts'

/** The event that answers a relay's challenge. Source: NIP-42. */
export const authTemplate = (
  relay: string,
  challenge: string,
  createdAt: number,
): EventTemplate => ({
  kind: kinds.Auth,
  created_at: createdAt,
  tags: [
    ['relay', relay],
    ['challenge', challenge],
  ],
  content: '',
})

/** A connection's challenge: relays send it at once, or only after they have refused something for the lack of it. */
export function challengeBox(timeoutMs: number) {
  let current: string | undefined
  let arrived: ((challenge: string) => void) | undefined
  return {
    put(challenge: string | undefined): void {
      current = challenge
      if (challenge !== undefined) arrived?.(challenge)
    },
    /** The challenge, waited for if need be; rejects with `RelayTimeout`. */
    get(): Promise<string> {
      if (current !== undefined) return Promise.resolve(current)
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new RelayTimeout()), timeoutMs)
        arrived = challenge => {
          clearTimeout(timer)
          resolve(challenge)
        }
      })
    },
  }
}
