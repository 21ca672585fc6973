import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { nip19 } from 'nostr-tools'
import { kinds, parseAmount } from '../../events/index.ts'
import { pubkeyOf } from '../../policies/pubkeys.ts'
import { loadConfig } from '../../relay/config/config.ts'
import { loadCurve } from '../../relay/curve.ts'
import { loadSigner } from '../../relay/signer.ts'

/**
 * Grants prepaid credit through the running relay, signed with the relay's own key (NIP-98), so that only who
 * can read the db folder can do it and the relay keeps the audit trail. Gives the sentence to print.
 */
export async function grantCredit(args: string[], env: NodeJS.ProcessEnv): Promise<string> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      why: { type: 'string' },
      config: { type: 'string' },
      set: { type: 'string', multiple: true, default: [] },
      url: { type: 'string' },
    },
  })
  const [who = '', amount = ''] = positionals
  const pubkey = pubkeyOf(who)
  if (parseAmount(amount) === undefined) throw new Error(`"${amount}" is no amount of CREDIT`)
  if (!values.why) throw new Error('say why with --why: it goes into the audit trail')

  const { config } = loadConfig({ file: values.config, set: values.set, env })
  if (!env.SLUICE_RELAY_KEY && !existsSync(join(config.db, 'relay.key')))
    throw new Error(
      `there is no relay.key in ${config.db}: name the relay's folder with --set db=...`,
    )
  const signer = loadSigner(config.db, env, loadCurve())
  const { bind, port } = config.relay
  const base = values.url ?? `http://${bind === '0.0.0.0' ? '127.0.0.1' : bind}:${port}`
  const body = JSON.stringify({ pubkey, amount, why: values.why })
  // The relay compares with its public address, which may differ from the one that reaches it from here.
  const service = config.relay.auth.serviceUrl.replace(/^ws/, 'http').replace(/\/+$/, '')
  const url = `${service || base}/api/v1/credits`
  const event = signer.sign({
    kind: kinds.HttpAuth,
    created_at: Math.floor(Date.now() / 1000),
    tags: [
      ['u', url],
      ['method', 'POST'],
      ['payload', createHash('sha256').update(body).digest('hex')],
    ],
    content: '',
  })
  const authorization = `Nostr ${Buffer.from(JSON.stringify(event)).toString('base64')}`
  const response = await fetch(`${base}/api/v1/credits`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body,
    signal: AbortSignal.timeout(10_000),
  }).catch(cause => {
    throw new Error(`no relay answers at ${base}: start it, or name it with --url`, { cause })
  })
  const answer = (await response.json()) as { error?: string; balance?: string }
  if (!response.ok) throw new Error(answer.error ?? `the relay answered ${response.status}`)
  return `${nip19.npubEncode(pubkey)} has ${answer.balance} CREDIT now`
}
