import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { createServer } from 'node:tls'

const file = (name: string) => new URL(`./tls/${name}.pem`, import.meta.url)

/** The certificate of `rtmpsDoor`, for NODE_EXTRA_CA_CERTS: for localhost and 127.0.0.1, signed by itself, for tests alone. */
export const certificateFile = file('certificate').pathname

/** A TLS port before an RTMP port, as stunnel or nginx is before many servers. */
export async function rtmpsDoor(
  rtmpPort: number,
): Promise<{ port: number; close(): Promise<void> }> {
  const server = createServer({
    key: readFileSync(file('key')),
    cert: readFileSync(file('certificate')),
  })
  server.on('tlsClientError', () => undefined)
  server.on('secureConnection', outside => {
    const inside = connect(rtmpPort, '127.0.0.1')
    outside.pipe(inside).pipe(outside)
    outside.on('error', () => inside.destroy()).on('close', () => inside.destroy())
    inside.on('error', () => outside.destroy()).on('close', () => outside.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return { port, close: () => new Promise<void>(resolve => void server.close(() => resolve())) }
}
