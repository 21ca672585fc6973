import { spawnSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const { O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants

/** A child's stdin and stdout: the ends that it inherits, and ours. */
export interface Pipes {
  readonly inherited: readonly [stdin: number, stdout: number]
  readonly stdin: Socket
  readonly stdout: Socket
  /** Closes the inherited ends here, once the child has them. */
  handedOver(): void
}

/**
 * Makes pipes such as strfry gives its plugins. Node's own are socket pairs, and a shell's `read`, which asks for one
 * byte at a time, takes twice as long on those. Undefined where the system has no mkfifo.
 */
export function openPipes(): Pipes | undefined {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-pipes-'))
  const [input, output] = [join(dir, 'in'), join(dir, 'out')]
  try {
    if (spawnSync('mkfifo', ['-m', '600', input, output]).status !== 0) return undefined
    const [childIn, ours] = ends(input, O_RDONLY, O_WRONLY | O_NONBLOCK)
    const [childOut, theirs] = ends(output, O_WRONLY, O_RDONLY | O_NONBLOCK)
    return {
      inherited: [childIn, childOut],
      stdin: new Socket({ fd: ours, readable: false, writable: true }),
      stdout: new Socket({ fd: theirs, readable: true, writable: false }),
      handedOver() {
        closeSync(childIn)
        closeSync(childOut)
      },
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Opening one end waits for the other, so for that moment both are held. */
function ends(path: string, child: number, own: number): [child: number, own: number] {
  const held = openSync(path, O_RDWR | O_NONBLOCK)
  try {
    return [openSync(path, child), openSync(path, own)]
  } finally {
    closeSync(held)
  }
}
