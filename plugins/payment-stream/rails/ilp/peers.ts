import { createHash } from 'node:crypto'
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { isHex64 } from '../../../../events/index.ts'

/** Who may send packets here, and owes what they bring. */
export interface Peer {
  /** Its account in the ledger is `rail:ilp:<name>`. */
  readonly name: string
  /** A viewer that pays here directly: no hop lies between, so its own payments need no min_receive. */
  readonly viewer?: string
}

export interface Peers {
  readonly names: readonly string[]
  /** The peer that a bearer token belongs to. */
  of(token: string): Peer | undefined
}

const NAME = /^[a-z0-9][a-z0-9-]{0,31}$/
const SHORTEST_TOKEN = 16

/**
 * Peers from SLUICE_ILP_PEERS, else from the 0600 file `path`: one a line (in the environment also after a comma),
 * `<name> <token> [<viewer pubkey>]`. Throws a sentence that says what to write; tokens are kept as hashes.
 *
 * @example
 * const peers = loadPeers('./sluice-db/ilp.peers', { SLUICE_ILP_PEERS: 'hub 3f9c1b7a55d2e8c4' })
 * peers.of('3f9c1b7a55d2e8c4') // { name: 'hub' }
 */
export function loadPeers(path: string, env: NodeJS.ProcessEnv): Peers {
  const where = env.SLUICE_ILP_PEERS === undefined ? path : 'SLUICE_ILP_PEERS'
  const text = env.SLUICE_ILP_PEERS ?? readPrivate(path)
  const known = new Map<string, Peer>()
  for (const line of text.split(/[\n,]/).map(part => part.trim())) {
    if (line === '' || line.startsWith('#')) continue
    const [name = '', token = '', viewer, ...more] = line.split(/\s+/)
    // The line itself is never quoted: it holds a secret.
    if (!NAME.test(name) || more.length > 0 || (viewer !== undefined && !isHex64(viewer)))
      throw new Error(`${where}: a line is "<name> <token> [<viewer pubkey>]", name of a-z 0-9 -`)
    if (token.length < SHORTEST_TOKEN)
      throw new Error(`${where}: the token of ${name} needs ${SHORTEST_TOKEN} characters or more`)
    const peer = viewer === undefined ? { name } : { name, viewer }
    if ([...known.values()].some(other => other.name === name) || known.has(hashOf(token)))
      throw new Error(`${where}: ${name} stands there twice, or shares its token with another`)
    known.set(hashOf(token), peer)
  }
  if (known.size === 0)
    throw new Error(`${where} names no peer: write "<name> <token>", one a line, for each of them`)
  const names = [...known.values()].map(({ name }) => name)
  return { names, of: token => known.get(hashOf(token)) }
}

/** Looked up by hash, so that the time it takes tells nothing of the tokens. */
const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex')

function readPrivate(path: string): string {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (cause) {
    throw new Error(
      `the ilp rail needs peers: set SLUICE_ILP_PEERS, or write "<name> <token>" into ${path} (mode 600)`,
      { cause },
    )
  }
  try {
    const mode = fstatSync(fd).mode & 0o777
    if (mode !== 0o600)
      throw new Error(
        `${path} holds tokens and has mode ${mode.toString(8)}: run "chmod 600 ${path}"`,
      )
    return readFileSync(fd, 'utf8')
  } finally {
    closeSync(fd)
  }
}
