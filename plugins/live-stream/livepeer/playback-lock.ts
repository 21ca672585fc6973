import { createPrivateKey, type KeyObject, sign } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Host } from '../../plugin.ts'
import type { LivepeerApi } from './provider/api.ts'
import { ownPrefix } from './record.ts'

const TOKEN_SECONDS = 3600
const file = z.object({ publicKey: z.string(), privateKey: z.string() })

interface Key {
  /** Base64 of the PEM, as the provider gave it: what names the key in a token. */
  readonly pub: string
  readonly secret: KeyObject
}

/**
 * The second lock: streams with the provider's jwt policy play only to who shows a token signed with our key there. Only
 * our gateway does. The key lies in a 0600 file of the data folder; the provider shows its private half once.
 */
export function playbackLock(host: Host, api: LivepeerApi) {
  const path = join(host.dataDir, 'livepeer', 'signing-key.json')
  let key: Promise<Key> | undefined
  const tokens = new Map<string, { token: string; renewAt: number }>()

  const load = async (): Promise<Key> => {
    const saved = existsSync(path) ? readFileSync(path, 'utf8') : await make()
    const { publicKey: pub, privateKey } = file.parse(JSON.parse(saved))
    return { pub, secret: createPrivateKey(Buffer.from(privateKey, 'base64')) }
  }

  async function make(): Promise<string> {
    const name = ownPrefix(host.self)
    // Of an earlier attempt whose answer was lost: without its private half it is of no use, and there may be ten at most.
    for (const one of await api.signingKeys())
      if (one.name === name) await api.deleteSigningKey(one.id)
    const { publicKey, privateKey } = await api.newSigningKey(name)
    const text = JSON.stringify({ publicKey, privateKey })
    mkdirSync(join(host.dataDir, 'livepeer'), { recursive: true, mode: 0o700 })
    writeFileSync(`${path}.new`, text, { mode: 0o600 })
    chmodSync(`${path}.new`, 0o600)
    renameSync(`${path}.new`, path)
    host.log.info({}, 'the media provider has a signing key of ours')
    return text
  }

  /** The key, made at the provider the first time. */
  function ready(): Promise<Key> {
    key ??= load().catch(error => {
      key = undefined
      throw error
    })
    return key
  }

  return {
    ready,
    /** The address with a token for this playback id in its query. */
    async unlock(url: string, playbackId: string): Promise<string> {
      const nowMs = host.clock.now()
      let known = tokens.get(playbackId)
      if (!known || known.renewAt <= nowMs) {
        const now = Math.floor(nowMs / 1000)
        const { pub, secret } = await ready()
        const token = es256(secret, {
          action: 'pull',
          iss: `sluice ${host.self.slice(0, 16)}`,
          pub,
          sub: playbackId,
          video: 'none',
          iat: now,
          exp: now + TOKEN_SECONDS,
        })
        known = { token, renewAt: nowMs + TOKEN_SECONDS * 500 }
        tokens.set(playbackId, known)
      }
      const locked = new URL(url)
      locked.searchParams.set('jwt', known.token)
      return locked.href
    },
    forget: (playbackId: string) => void tokens.delete(playbackId),
  }
}
export type PlaybackLock = ReturnType<typeof playbackLock>

function es256(secret: KeyObject, claims: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const body = `${part({ alg: 'ES256', typ: 'JWT' })}.${part(claims)}`
  const signature = sign('sha256', Buffer.from(body), { key: secret, dsaEncoding: 'ieee-p1363' })
  return `${body}.${signature.toString('base64url')}`
}
