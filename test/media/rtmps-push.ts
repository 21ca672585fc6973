/** Connects to the target in argv and says how it went: run with NODE_EXTRA_CA_CERTS, which Node reads at its start only. */
import { RtmpPush } from '../../plugins/live-stream/local/restream/rtmp-push.ts'
import { readTarget } from '../../plugins/live-stream/local/restream/target-url.ts'

const push = new RtmpPush(readTarget(process.argv[2] ?? '', true), { inner: true })
const said = await push.ready.then(
  () => 'taken',
  (error: Error) => error.message,
)
process.stdout.write(said)
push.close()
