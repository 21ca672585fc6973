import type { Page } from 'playwright-core'
import { host, type Show } from '../../client/host.ts'
import { generateSecret, LocalSigner } from '../../client/local-signer.ts'
import { connectNode } from '../../client/node.ts'
import { RelayClient } from '../../client/relay-client.ts'
import { relayInfo } from '../../client/relay-info.ts'
import type { Ingest } from '../../events/index.ts'
import { startPublisher } from '../media/publisher.ts'

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
  return { address, ingest, close: () => relay.close() }
}

/** A real encoder that pushes there. */
export const publish = ({ rtmp }: Ingest) => startPublisher({ url: `${rtmp.server}/${rtmp.key}` })

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
