/** How the files of a new plugin differ: TypeScript or JavaScript, uvu or node:test. */
export interface TemplateOptions {
  readonly name: string
  /** The plugin's file, as its test imports it. */
  readonly file: string
  readonly typescript: boolean
  readonly uvu: boolean
}

/** A policy that works: it keeps notes with certain words out. */
export const pluginTemplate = ({
  name,
}: TemplateOptions): string => `import { accept, definePolicy, reject } from 'sluice'
import { z } from 'zod'

/** Keeps notes with certain words out. */
export default definePolicy({
  name: '${name}',
  // What strfry.conf may set, with the values that hold if it does not.
  options: z.object({
    words: z.array(z.string().min(1)).default(['airdrop']),
  }),
  create: ({ words }) => ({
    name: '${name}',
    // Asked for these kinds only; without this line, for all.
    writeKinds: [1],
    write(event) {
      const word = words.find(one => event.content.toLowerCase().includes(one.toLowerCase()))
      return word ? reject(\`blocked: nobody wants to read of \${word} here\`) : accept
    },
  }),
})
`

/** Its test: one note that passes, and the nearest one that does not. */
export function testTemplate(options: TemplateOptions): string {
  const { file, typescript, uvu } = options
  const types = (text: string): string => (typescript ? text : '')
  return `${uvu ? "import { test } from 'uvu'\nimport * as assert from 'uvu/assert'\n" : "import assert from 'node:assert/strict'\nimport { test } from 'node:test'\n"}${types("import type { Host, NostrEvent, PolicyContext } from 'sluice'\n")}import plugin from './${file}'

/** An event as the relay hands it over: its id and signature have been checked. */
const note = (content${types(': string')})${types(': NostrEvent')} => ({
  id: '0'.repeat(64),
  pubkey: '1'.repeat(64),
  created_at: 1700000000,
  kind: 1,
  tags: [],
  content,
  sig: '2'.repeat(128),
})

const client${types(': PolicyContext')} = {
  source: { type: 'IP4', info: '192.0.2.1' },
  authed: [],
  receivedAt: 1700000000,
  signal: new AbortController().signal,
}

async function verdict(content${types(': string')}) {
  const { policies = [] } = await plugin.setup({}${types(' as Host')}, plugin.options.parse({ words: ['airdrop'] }))
  return policies[0]?.write?.(note(content), client)
}

test('a note passes', async () => {
  assert.${uvu ? 'equal' : 'deepEqual'}(await verdict('hello'), { action: 'accept' })
})

test('a note with a word of the list does not', async () => {
  assert.${uvu ? 'equal' : 'deepEqual'}(await verdict('free AIRDROP'), {
    action: 'reject',
    msg: 'blocked: nobody wants to read of airdrop here',
  })
})
${uvu ? '\ntest.run()\n' : ''}`
}
