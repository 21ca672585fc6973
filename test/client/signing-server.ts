import * as nip44 from 'nostr-tools/nip44'
import { connect, type Person, person } from '../harness.ts'

/**
 * A person's remote signer (NIP-46) that runs elsewhere: a phone's app, with a key of its own to be reached by and the
 * person's key to sign with. It speaks to a relay as any client does.
 */
export async function signingServer(
  url: string,
  me: Person = person(),
  before: { server: Person; paired: Set<string> } = { server: person(), paired: new Set() },
) {
  const { server, paired } = before
  const secret = 'let-me-in'
  const asked: string[] = []
  const state = { willing: true, silent: false, forge: false, authUrl: '' }
  const client = await connect(url)
  client.send(['REQ', 'requests', { kinds: [24133], '#p': [server.pubkey] }])
  client.ws.on('message', data => {
    const [verb, , event] = JSON.parse(String(data))
    if (verb === 'EVENT') answer(event.pubkey, event.content)
  })

  function say(to: string, content: object): void {
    const key = nip44.getConversationKey(server.secret, to)
    const text = nip44.encrypt(JSON.stringify(content), key)
    client.send(['EVENT', server.sign({ kind: 24133, tags: [['p', to]], content: text })])
  }

  function answer(from: string, sealed: string): void {
    const key = nip44.getConversationKey(server.secret, from)
    const { id, method, params } = JSON.parse(nip44.decrypt(sealed, key))
    asked.push(method)
    if (state.silent) return
    if (state.authUrl !== '') {
      say(from, { id, result: 'auth_url', error: state.authUrl })
      state.authUrl = ''
    }
    const problem = refusal(from, method, params)
    if (problem) say(from, { id, result: '', error: problem })
    else say(from, { id, result: result(from, method, params) })
  }

  function refusal(from: string, method: string, params: string[]): string | undefined {
    if (method === 'connect') return params[1] === secret ? undefined : 'wrong secret'
    if (!paired.has(from)) return 'not paired'
    return state.willing ? undefined : 'the person said no'
  }

  function result(from: string, method: string, [first = '', second = '']: string[]): string {
    switch (method) {
      case 'connect':
        paired.add(from)
        return 'ack'
      case 'get_public_key':
        return me.pubkey
      case 'sign_event': {
        const template = JSON.parse(first)
        return JSON.stringify(me.sign(state.forge ? { ...template, content: 'mine' } : template))
      }
      case 'nip44_encrypt':
        return nip44.encrypt(second, nip44.getConversationKey(me.secret, first))
      case 'nip44_decrypt':
        return nip44.decrypt(second, nip44.getConversationKey(me.secret, first))
      default:
        return 'pong'
    }
  }

  return {
    me,
    server,
    paired,
    state,
    /** Methods that it was asked, in order. */
    asked,
    bunker: `bunker://${server.pubkey}?relay=${encodeURIComponent(url)}&secret=${secret}`,
    /** The person scans a nostrconnect:// address: the signer lets that client in. */
    scan(uri: string, answerWith = new URL(uri).searchParams.get('secret') ?? ''): void {
      const pubkey = /^nostrconnect:\/\/([0-9a-f]{64})/.exec(uri)?.[1] ?? ''
      paired.add(pubkey)
      say(pubkey, { id: 'scan', result: answerWith })
    },
    close: () => client.close(),
  }
}
