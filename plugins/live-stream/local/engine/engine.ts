import { type ChildProcess, fork, spawn } from 'node:child_process'
import { extname } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { ffmpegArguments, findFfmpeg } from './ffmpeg.ts'

export type EngineName = 'node-av' | 'ffmpeg'
export type RenditionName = 'source' | '480p'
/** Heights of what is transcoded, pixels. */
export const RENDITION_HEIGHT = { '480p': 480 } as const

/** What an engine is to make. */
export interface Task {
  readonly renditions: readonly RenditionName[]
  /** There are pictures in what will come. */
  readonly video: boolean
  /** Seconds between stills; 0 for none. */
  readonly stillSeconds: number
}

/** Widest still, pixels. */
export const STILL_WIDTH = 640

/** A process that takes FLV in and gives fragmented MP4 out, one pipe for each rendition, and stills. */
export interface Engine {
  readonly input: Writable
  readonly outputs: ReadonlyMap<RenditionName, Readable>
  /** JPEGs, one behind the other, each made of a keyframe. */
  readonly stills: Readable | undefined
  /** Resolves with why it ended, once all its output was read; an ending that was asked for counts too. */
  readonly ended: Promise<string>
  kill(): void
}

/** A fragment begins with each keyframe, so a rendition can be cut wherever the source can. */
export const MOVFLAGS =
  '+delay_moov+frag_discont+default_base_moof+frag_keyframe+skip_sidx+skip_trailer'

/**
 * Which engine works here: node-av where its native library loads, else the system's ffmpeg. Throws a
 * sentence that says what to install where neither does.
 */
export async function chooseEngine(wanted: 'auto' | EngineName): Promise<EngineName> {
  if (wanted !== 'ffmpeg' && (await nodeAvLoads())) return 'node-av'
  if (wanted !== 'node-av' && (await findFfmpeg())) return 'ffmpeg'
  throw new Error(
    `there is no media engine (${wanted}): run "npm install node-av", or install ffmpeg with libx264`,
  )
}

/** Tried in a process of its own: native code that crashes must not take the relay. */
async function nodeAvLoads(): Promise<boolean> {
  const child = spawn(
    process.execPath,
    ['--input-type=module', '-e', "await import('node-av/lib')"],
    {
      cwd: fileURLToPath(new URL('.', import.meta.url)),
      stdio: 'ignore',
    },
  )
  return new Promise(resolve => {
    child.once('error', () => resolve(false))
    child.once('exit', code => resolve(code === 0))
  })
}

/** Starts an engine for one publisher. */
export function startEngine(name: EngineName, task: Task): Engine {
  const { renditions } = task
  const wantsStills = task.video && task.stillSeconds > 0
  const outs = renditions.length + (wantsStills ? 1 : 0)
  const pipes = ['pipe', 'ignore', 'pipe', ...Array(outs).fill('pipe' as const)]
  const child =
    name === 'ffmpeg'
      ? spawn('ffmpeg', ffmpegArguments(task), { stdio: pipes })
      : fork(childFile(), [JSON.stringify(task)], { stdio: [...pipes, 'ipc'] })
  const { stdin } = child
  if (!stdin) throw new Error('the engine has no input')
  const outputs = new Map(
    renditions.map((rendition, i) => [rendition, child.stdio[3 + i] as Readable]),
  )
  const stills = wantsStills ? (child.stdio[3 + renditions.length] as Readable) : undefined
  // A pipe to a dead process: `ended` says why.
  for (const stream of [stdin, ...outputs.values(), ...(stills ? [stills] : [])])
    stream.on('error', () => undefined)
  return {
    input: stdin,
    outputs,
    stills,
    ended: ending(child),
    kill: () => void child.kill('SIGKILL'),
  }
}

const childFile = (): string =>
  fileURLToPath(new URL(`./node-av-child${extname(import.meta.url)}`, import.meta.url))

function ending(child: ChildProcess): Promise<string> {
  let last = ''
  child.stderr?.on('data', chunk => {
    last = (last + chunk).slice(-400)
  })
  return new Promise(resolve => {
    child.once('error', error => resolve(error.message))
    // Not at its exit: what it wrote last is still in the pipes.
    child.once('close', (code, signal) => {
      const line = last.trim().split('\n').at(-1) ?? ''
      resolve(`the engine ended with ${signal ?? `code ${code}`}${line ? `: ${line}` : ''}`)
    })
  })
}
