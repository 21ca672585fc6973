/**
 * What is made from a setting, made anew where the setting is another object since: a reload is met when it is needed.
 *
 * @example
 * const socket = latest(() => config.relay, relay => new WebSocketServer({ maxPayload: relay.maxWebsocketPayloadSize }))
 */
export function latest<S, T>(setting: () => S, make: (setting: S) => T): () => T {
  let made: { from: S; is: T } | undefined
  return () => {
    const from = setting()
    if (made?.from !== from) made = { from, is: make(from) }
    return made.is
  }
}
