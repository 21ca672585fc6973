import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A real encoder that pushes a moving picture and a tone over RTMP, in a process of its own. */
export interface Publisher {
  /** Resolves when the server has taken the key and media begins to flow. */
  readonly publishing: Promise<void>
  /** Ends the stream as a streamer would, and waits for it. */
  stop(): Promise<void>
  /** Kills the process at once (the power goes out at the streamer's). */
  kill(): Promise<void>
  /** Resolves with the exit code: 0 when all was sent, else the server refused or went away. */
  readonly exited: Promise<number | null>
}

/**
 * Starts publishing at real-time pace: H.264 (x264) and AAC in FLV, through FFmpeg's own RTMP client.
 *
 * @example
 * const publisher = startPublisher({ url: `${server}/${key}` })
 * await publisher.stop()
 */
export function startPublisher(options: {
  url: string
  seconds?: number
  width?: number
  height?: number
  fps?: number
  /** Seconds between keyframes. */
  gop?: number
  /** What is sent; both unless one is named. */
  only?: 'audio' | 'video'
  /** Texts that are captions in the picture (CEA-608), two seconds each, over and over. */
  captions?: readonly string[]
}): Publisher {
  const file = fileURLToPath(new URL('./publisher-child.ts', import.meta.url))
  const child = fork(file, [JSON.stringify(options)], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  const publishing = once(child, 'message').then(() => undefined)
  const exited = once(child, 'exit').then(([code]) => code as number | null)
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    await exited
  }
  return { publishing, exited, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') }
}
