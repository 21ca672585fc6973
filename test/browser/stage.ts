import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { host, type Show } from '../../client/host.ts'
import { generateSecret, LocalSigner } from '../../client/local-signer.ts'
import { connectNode } from '../../client/node.ts'
import { RelayClient } from '../../client/relay-client.ts'
import { relayInfo } from '../../client/relay-info.ts'
import type { Ingest } from '../../events/index.ts'
import { type Person, person, type RelayProcess, spawnRelay } from '../harness.ts'
import { type Publisher, startPublisher } from '../media/publisher.ts'

/** From the publisher's start to the page's picture, also on a machine that is busy otherwise. */
export const START_MS = 45_000

/** Announces a show, and gives its address and where its media goes. `secret`: the host's key, 64 hex. */
export async function announce(url: string, show: Partial<Show>, secret = generateSecret()) {
  const signer = new LocalSigner(secret)
  const relay = new RelayClient(url, { connect: connectNode, signer })
  const mine = host(relay, (await relayInfo(url)).self)
  const address = await mine.announce({ d: 'show', status: 'planned', title: 'Show', ...show })
  const ingest = await new Promise<Ingest>((resolve, reject) => {
    mine.onIngest(address, grant => resolve(grant.ingest), reject).catch(reject)
  })
  return {
    address,
    ingest,
    close: () => relay.close(),
    /** Says that it is over; gives the address of its recording, once the relay's companion names it. */
    async end(): Promise<string> {
      await mine.end({ d: 'show', title: 'Show', ...show, status: 'ended' })
      return new Promise(resolve => {
        relay.subscribe([{ kinds: [30311], '#a': [address] }], {
          onEvent: event => {
            const url = event.tags.find(tag => tag[0] === 'recording')?.[1]
            if (url) resolve(url)
          },
        })
      })
    },
  }
}

/** A real encoder that pushes there. */
export const publish = (
  { rtmp }: Ingest,
  picture: { width?: number; height?: number; fps?: number; captions?: readonly string[] } = {},
) => startPublisher({ url: `${rtmp.server}/${rtmp.key}`, ...picture })

/** Seconds that the video has played, once there is a picture. */
export const position = (page: Page): Promise<number> =>
  page.evaluate(() => {
    const video = document.querySelector('video')
    return video && video.videoWidth > 0 ? video.currentTime : -1
  })

/** Waits for a picture that moves for so long. */
export async function plays(page: Page, seconds: number): Promise<void> {
  await page.waitForFunction(() => (document.querySelector('video')?.videoWidth ?? 0) > 0, null, {
    timeout: START_MS,
  })
  const from = await position(page)
  await page.waitForFunction(
    until => (document.querySelector('video')?.currentTime ?? 0) >= until,
    from + seconds,
    { timeout: (seconds + 20) * 1000 },
  )
}

export const hexOf = ({ secret }: Person): string => Buffer.from(secret).toString('hex')

/** A stream at 10 a second, its host's key known. */
export const paidShow: Show = {
  d: 'paid',
  status: 'planned',
  title: 'Paid by the second',
  price: { amount: 10n, unit: 'second', asset: 'CREDIT' },
}

/** What a file's scenarios share: one relay, one stream that is live through most of them, and who is who. */
export interface Stage {
  relay: RelayProcess
  dir: string
  stream: Awaited<ReturnType<typeof announce>>
  /** Absent until somebody pushes. */
  publisher: Publisher | undefined
  readonly host: Person
  readonly admin: Person
  /** Starts the relay (again). */
  spawn(...set: string[]): Promise<RelayProcess>
}

/** Sets the stage; `set` are settings of its relay. */
export async function setStage(...set: string[]): Promise<Stage> {
  const [host, admin] = [person(), person()]
  const dir = await mkdtemp(join(tmpdir(), 'sluice-browser-'))
  const admins = JSON.stringify([admin.pubkey])
  const stage: Omit<Stage, 'relay' | 'stream'> & Partial<Stage> = {
    dir,
    host,
    admin,
    publisher: undefined,
    spawn: (...more) =>
      spawnRelay(
        [
          `db=${dir}`,
          `management.admins=${admins}`,
          `paymentStream.operators=${admins}`,
          ...set,
          ...more,
        ].flatMap(setting => ['--set', setting]),
      ),
  }
  stage.relay = await stage.spawn()
  stage.stream = await announce(stage.relay.url, paidShow, hexOf(host))
  return stage as Stage
}

/** Ends whatever the stage has by now: scenarios start relays and publishers anew. */
export async function closeStage({ relay, dir, stream, publisher }: Stage): Promise<void> {
  await publisher?.stop()
  stream.close()
  await relay.stop()
  await rm(dir, { recursive: true, force: true })
}
