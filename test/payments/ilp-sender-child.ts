/**
 * The SDK's sender as a process of its own: options as JSON in argv, then one command a line on stdin, one JSON answer a
 * line on stdout.
 */
import { createInterface } from 'node:readline'
import {
  IlpRejected,
  type IlpSession,
  ilpOverHttp,
  ilpSender,
  LocalSigner,
} from '../../client/index.ts'

interface Options {
  secret: string
  self: string
  destination: string
  url: string
  token: string
  timeoutMs: number
  address: string
  rate: string
  asset: string
}
interface Command {
  do: 'open' | 'pay' | 'query' | 'close'
  amount?: string
  minReceive?: string
  send?: string
}

const options = JSON.parse(process.argv[2] ?? '{}') as Options
const { secret, self, destination, url, token, timeoutMs } = options
const sender = ilpSender({
  hop: ilpOverHttp({ url, token }),
  signer: new LocalSigner(secret),
  self,
  destination,
  timeoutMs,
})
let session: IlpSession | undefined

async function run(command: Command): Promise<object> {
  if (command.do === 'open') {
    const rate = { amount: BigInt(options.rate), unit: 'second' } as const
    session = await sender.open({ address: options.address, rate, asset: options.asset })
    return { id: session.id }
  }
  if (!session) throw new Error('open first')
  if (command.do === 'query') return session.query()
  if (command.do === 'close') return session.close()
  const [minReceive, send] = [command.minReceive, command.send].map(text =>
    text === undefined ? undefined : BigInt(text),
  )
  return session.pay(BigInt(command.amount ?? 0), { minReceive, send })
}

const say = (answer: object): void =>
  console.log(
    JSON.stringify(answer, (_, value) => (typeof value === 'bigint' ? String(value) : value)),
  )

for await (const line of createInterface({ input: process.stdin })) {
  try {
    say({ ok: await run(JSON.parse(line)), uncertain: session?.uncertain })
  } catch (error) {
    const { name, message } = error as Error
    const code = error instanceof IlpRejected ? error.code : undefined
    say({ error: { name, message, code }, uncertain: session?.uncertain })
  }
}
