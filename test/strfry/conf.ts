/** strfry.conf as strfry reads it, written from its documentation and sharing nothing with relay/config. */

/** The keys that strfry knows, with the type that each must have. */
const KNOWN: Record<string, 'string' | 'number' | 'boolean'> = {
  db: 'string',
  'events.maxEventSize': 'number',
  'events.rejectEventsNewerThanSeconds': 'number',
  'events.rejectEventsOlderThanSeconds': 'number',
  'events.rejectEphemeralEventsOlderThanSeconds': 'number',
  'events.ephemeralEventsLifetimeSeconds': 'number',
  'events.maxNumTags': 'number',
  'events.maxTagValSize': 'number',
  'relay.bind': 'string',
  'relay.port': 'number',
  'relay.nofiles': 'number',
  'relay.realIpHeader': 'string',
  'relay.auth.enabled': 'boolean',
  'relay.auth.serviceUrl': 'string',
  'relay.auth.restrictedReadKinds': 'string',
  'relay.auth.restrictReadToInvolvedPubkey': 'boolean',
  'relay.info.name': 'string',
  'relay.info.description': 'string',
  'relay.info.pubkey': 'string',
  'relay.info.self': 'string',
  'relay.info.contact': 'string',
  'relay.info.icon': 'string',
  'relay.info.banner': 'string',
  'relay.info.privacy': 'string',
  'relay.info.terms': 'string',
  'relay.info.nips': 'string',
  'relay.maxWebsocketPayloadSize': 'number',
  'relay.maxReqFilterSize': 'number',
  'relay.autoPingSeconds': 'number',
  'relay.enableTcpKeepalive': 'boolean',
  'relay.maxFilterLimit': 'number',
  'relay.maxTagsPerFilter': 'number',
  'relay.maxFilterLimitCount': 'number',
  'relay.maxSubsPerConnection': 'number',
  'relay.maxPendingOutboundBytes': 'number',
  'relay.writePolicy.plugin': 'string',
  'relay.writePolicy.timeoutSeconds': 'number',
  'relay.compression.enabled': 'boolean',
  'relay.compression.slidingWindow': 'boolean',
  'relay.negentropy.enabled': 'boolean',
  'relay.negentropy.maxSyncEvents': 'number',
}

/** The values that strfry takes from the text; throws where it would not start. */
export function readAsStrfry(text: string): Map<string, unknown> {
  const tokens = [
    ...text.matchAll(
      /#[^\n]*|"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z_][A-Za-z0-9_]*|-?[0-9.]+|[{}[\]=,]|\S/g,
    ),
  ]
    .map(match => match[0])
    .filter(token => !token.startsWith('#'))
  const found = new Map<string, unknown>()
  let at = 0

  function block(prefix: string): void {
    while (at < tokens.length && tokens[at] !== '}') {
      const name = tokens[at++] ?? ''
      if (!/^[A-Za-z_]\w*$/.test(name)) throw new Error(`"${name}" is no name`)
      const path = prefix + name
      const sign = tokens[at++]
      if (sign === '{') {
        block(`${path}.`)
        if (tokens[at++] !== '}') throw new Error(`${path} is never closed`)
      } else if (sign === '=') take(path, value())
      else throw new Error(`after ${path} comes ${sign}`)
    }
  }

  function value(): unknown {
    const token = tokens[at++] ?? ''
    if (/^["']/.test(token)) return token.slice(1, -1)
    if (/^-?[0-9]/.test(token)) return Number(token)
    if (token === 'true' || token === 'false') return token === 'true'
    if (token !== '[') throw new Error(`${token} is no value, texts are quoted`)
    const list: unknown[] = []
    while (tokens[at] !== ']') {
      list.push(value())
      if (tokens[at] === ',') at++
    }
    at++
    return list
  }

  function take(path: string, got: unknown): void {
    const type = KNOWN[path]
    if (type === undefined) return
    if (typeof got !== type) throw new Error(`${path} must be a ${type}`)
    found.set(path, got)
  }

  block('')
  if (at < tokens.length) throw new Error('a } too many')
  return found
}
