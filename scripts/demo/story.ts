import type { PaymentSession, Person } from '../../test/flows/independent.ts'
import { type RelayProcess, spawnRelay } from '../../test/harness.ts'
import type { Publisher } from '../../test/media/publisher.ts'

/** A measured claim: what it is, what was seen, what it must stay under. */
interface Figure {
  readonly name: string
  readonly value: number
  readonly limit: number
  readonly unit: string
}

/** What the steps hand on to each other, and what was seen so far. */
export interface Story {
  relay: RelayProcess
  host: Person
  viewer: Person
  address: string
  ingest: { server: string; key: string }
  session: PaymentSession
  playbackUrl: string
  publisher: Publisher
  start(): Promise<void>
  restart(): Promise<void>
  /** Prints a line of narration. */
  tell(text: string): void
  /** Notes a figure; one over its limit fails the demo. */
  figure(name: string, value: number, limit: number, unit?: string): void
  /** Notes a fact; a false one fails the demo. */
  holds(claim: string, truth: boolean, seen?: unknown): void
  failed(error: unknown): void
  end(): Promise<void>
  /** Prints the figures and gives the exit code. */
  summary(): number
}

export function story(dir: string): Story {
  const figures: Figure[] = []
  const broken: string[] = []
  const spawn = (...more: string[]) =>
    spawnRelay([`db=${dir}`, ...more].flatMap(setting => ['--set', setting]))

  const tale = {
    async start() {
      tale.tell('\n1. A relay starts on embedded defaults: SQLite, local media, prepaid credits')
      tale.relay = await spawn()
      tale.tell(`   it listens on ${tale.relay.url}`)
    },
    async restart() {
      // Where clients and encoders know it to be.
      const { port } = new URL(tale.relay.url)
      const rtmp = new URL(tale.ingest.server).port
      tale.relay = await spawn(`relay.port=${port}`, `liveStream.local.rtmpPort=${rtmp}`)
    },
    tell(text: string) {
      console.log(text)
    },
    figure(name: string, value: number, limit: number, unit = 'ms') {
      const figure = { name, value, limit, unit }
      figures.push(figure)
      if (!(value < limit)) broken.push(describe(figure))
      tale.tell(`   ${mark(value < limit)} ${describe(figure)}`)
    },
    holds(claim: string, truth: boolean, seen?: unknown) {
      if (!truth) broken.push(claim)
      tale.tell(`   ${mark(truth)} ${claim}${truth || seen === undefined ? '' : ` (saw: ${seen})`}`)
    },
    failed(error: unknown) {
      broken.push(error instanceof Error ? error.message : String(error))
      console.error(error)
    },
    async end() {
      await tale.publisher?.stop()
      tale.host?.close()
      tale.viewer?.close()
      await tale.relay?.stop()
    },
    summary() {
      tale.tell('\nFigures')
      for (const figure of figures)
        tale.tell(`   ${mark(figure.value < figure.limit)} ${describe(figure)}`)
      tale.tell(
        broken.length === 0
          ? '\nEvery step held.'
          : `\nWhat did not hold:\n${broken.map(text => `   - ${text}`).join('\n')}`,
      )
      return broken.length === 0 ? 0 : 1
    },
  } as Story
  return tale
}

const mark = (good: boolean): string => (good ? '✔' : '✘')
const describe = ({ name, value, limit, unit }: Figure): string =>
  `${name}: ${value.toFixed(unit === 'ms' ? 0 : 1)} ${unit} (limit ${limit} ${unit})`
