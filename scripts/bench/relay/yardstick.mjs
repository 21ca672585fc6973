// The yardstick: the least that a Node process can do that verifies, stores durably, answers and fans out. It is
// no relay (no policy, no limits, no details of any NIP, the client's text kept unchecked); it exists to be
// measured beside the real one, because what a machine can do differs from machine to machine.
//   node yardstick.mjs DIR
import { createHash, hash } from 'node:crypto'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

const require = createRequire(import.meta.url)
const Database = require('better-sqlite3')
const dir = isMainThread ? process.argv[2] : workerData
const hex = text => Buffer.from(text, 'hex')

function openStore() {
  const db = new Database(`${dir}/yardstick.sqlite`)
  db.exec(`
    PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 20000; PRAGMA cache_size = -65536; PRAGMA mmap_size = 1000000000;
    CREATE TABLE IF NOT EXISTS event (seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, pubkey BLOB NOT NULL,
      kind INTEGER NOT NULL, created_at INTEGER NOT NULL, json TEXT NOT NULL);
    CREATE INDEX IF NOT EXISTS by_kind ON event (kind, created_at DESC);
    CREATE INDEX IF NOT EXISTS by_author ON event (pubkey, kind, created_at DESC);
    CREATE TABLE IF NOT EXISTS tag (name TEXT NOT NULL, value TEXT NOT NULL, kind INTEGER NOT NULL,
      created_at INTEGER NOT NULL, seq INTEGER NOT NULL,
      PRIMARY KEY (name, value, kind, created_at, seq)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS address (pubkey BLOB NOT NULL, kind INTEGER NOT NULL, d TEXT NOT NULL,
      created_at INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (pubkey, kind, d)) WITHOUT ROWID;`)
  return db
}

if (isMainThread) serve()
else writer()

/** The worker: one transaction for each batch; answers which events were new. */
function writer() {
  const db = openStore()
  const insert = db.prepare(
    'INSERT OR IGNORE INTO event (id, pubkey, kind, created_at, json) VALUES (?, ?, ?, ?, ?)',
  )
  const tag = db.prepare('INSERT OR IGNORE INTO tag VALUES (?, ?, ?, ?, ?)')
  const there = db.prepare(
    'SELECT created_at, seq FROM address WHERE pubkey = ? AND kind = ? AND d = ?',
  )
  const place = db.prepare('INSERT OR REPLACE INTO address VALUES (?, ?, ?, ?, ?)')
  const remove = db.prepare('DELETE FROM event WHERE seq = ?')
  const write = db.transaction(batch => {
    const added = new Uint8Array(batch.length)
    for (const [i, event] of batch.entries()) {
      const { id, pubkey, kind, at, json, tags } = event
      const addressable = kind >= 30_000 && kind < 40_000
      const d = addressable ? (tags.find(one => one[0] === 'd')?.[1] ?? '') : ''
      const old = addressable ? there.get(pubkey, kind, d) : undefined
      if (old && old.created_at > at) continue
      const { changes, lastInsertRowid } = insert.run(id, pubkey, kind, at, json)
      if (!changes) continue
      added[i] = 1
      for (const [name, value] of tags)
        if (name.length === 1 && value !== undefined)
          tag.run(name, value, kind, at, lastInsertRowid)
      if (!addressable) continue
      if (old) remove.run(old.seq)
      place.run(pubkey, kind, d, at, lastInsertRowid)
    }
    return added
  })
  parentPort.on('message', batch => parentPort.postMessage(write.immediate(batch)))
}

function serve() {
  openStore().close()
  const worker = new Worker(new URL(import.meta.url), { workerData: dir })
  const db = openStore()
  const verify = verifier()

  // Frames: one piece of memory each, everything of one turn in one write.
  const dirty = new Set()
  const frame = text => {
    const length = Buffer.byteLength(text)
    const header = length < 126 ? 2 : length < 65_536 ? 4 : 10
    const bytes = Buffer.allocUnsafe(header + length)
    bytes[0] = 0x81
    bytes[1] = length < 126 ? length : length < 65_536 ? 126 : 127
    if (header === 4) bytes.writeUInt16BE(length, 2)
    if (header === 10) bytes.writeBigUInt64BE(BigInt(length), 2)
    bytes.write(text, header)
    return bytes
  }
  const flush = () => {
    for (const client of dirty) {
      client.socket.write(client.out.length === 1 ? client.out[0] : Buffer.concat(client.out))
      client.out = []
    }
    dirty.clear()
  }
  const send = (client, bytes) => {
    client.out.push(bytes)
    if (dirty.size === 0) setImmediate(flush)
    dirty.add(client)
  }

  // Live subscriptions, by the first thing that their filter names.
  const index = new Map()
  const places = ({ ids, authors, kinds, ...rest }) =>
    ids?.map(id => `i${id}`) ??
    rest['#a']?.map(a => `a${a}`) ??
    authors?.map(author => `p${author}`) ??
    kinds?.map(kind => `k${kind}`) ?? ['*']
  const matches = (filter, event) =>
    (!filter.ids || filter.ids.includes(event.id)) &&
    (!filter.kinds || filter.kinds.includes(event.kind)) &&
    (!filter.authors || filter.authors.includes(event.pubkey)) &&
    (!filter['#a'] || event.tags.some(one => one[0] === 'a' && filter['#a'].includes(one[1])))
  const drop = (client, id) => {
    const sub = client.subs.get(id)
    for (const key of sub?.keys ?? []) {
      index.get(key)?.delete(sub)
      if (index.get(key)?.size === 0) index.delete(key)
    }
    client.subs.delete(id)
  }
  const fanOut = (event, json) => {
    const keys = ['*', `i${event.id}`, `p${event.pubkey}`, `k${event.kind}`]
    for (const one of event.tags) if (one[0] === 'a') keys.push(`a${one[1]}`)
    const frames = new Map()
    for (const key of keys)
      for (const sub of index.get(key) ?? []) {
        if (!matches(sub.filter, event)) continue
        const bytes = frames.get(sub.id) ?? frame(`["EVENT",${JSON.stringify(sub.id)},${json}]`)
        frames.set(sub.id, bytes)
        send(sub.client, bytes)
      }
  }

  // Queries: the few shapes that are measured.
  const statements = new Map()
  const prepare = sql => {
    if (!statements.has(sql)) statements.set(sql, db.prepare(sql).pluck())
    return statements.get(sql)
  }
  const query = filter => {
    const limit = Math.min(filter.limit ?? 500, 500)
    if (filter.ids)
      return prepare(
        `SELECT json FROM event WHERE id IN (${filter.ids.map(() => '?')}) LIMIT ${limit}`,
      ).all(filter.ids.map(hex))
    if (filter['#a'])
      return prepare(
        `SELECT e.json FROM tag t CROSS JOIN event e ON e.seq = t.seq
         WHERE t.name = 'a' AND t.value = ? AND t.kind = ? ORDER BY t.created_at DESC LIMIT ${limit}`,
      ).all(filter['#a'][0], filter.kinds[0])
    if (filter.authors)
      return prepare(
        `SELECT json FROM event WHERE pubkey = ? AND kind = ? ORDER BY created_at DESC LIMIT ${limit}`,
      ).all(hex(filter.authors[0]), filter.kinds[0])
    return prepare(
      `SELECT json FROM event WHERE kind = ? ORDER BY created_at DESC LIMIT ${limit}`,
    ).all(filter.kinds[0])
  }

  // Ingest: verify, hand the batch to the worker, then OK and fan-out.
  let waiting = []
  let writing = []
  const pump = () => {
    if (writing.length > 0 || waiting.length === 0) return
    writing = waiting
    waiting = []
    worker.postMessage(
      writing.map(({ event, json }) => ({
        id: hex(event.id),
        pubkey: hex(event.pubkey),
        kind: event.kind,
        at: event.created_at,
        json,
        tags: event.tags,
      })),
    )
  }
  worker.on('message', added => {
    const done = writing
    writing = []
    pump()
    for (const [i, { client, event, json }] of done.entries()) {
      send(client, frame(`["OK","${event.id}",true,"${added[i] ? '' : 'duplicate: have it'}"]`))
      if (added[i]) fanOut(event, json)
    }
  })

  function receive(client, text) {
    const [type, ...rest] = JSON.parse(text)
    if (type === 'EVENT') {
      const [event] = rest
      const { id, pubkey, created_at, kind, tags, content } = event
      const wrong =
        hash('sha256', JSON.stringify([0, pubkey, created_at, kind, tags, content])) !== id ||
        !verify(event)
      if (wrong) return send(client, frame(`["OK","${id}",false,"invalid: id or signature"]`))
      if (waiting.push({ client, event, json: text.slice(9, -1) }) === 1) setImmediate(pump)
    } else if (type === 'REQ') {
      const [id, filter] = rest
      drop(client, id)
      for (const json of query(filter))
        send(client, frame(`["EVENT",${JSON.stringify(id)},${json}]`))
      send(client, frame(`["EOSE",${JSON.stringify(id)}]`))
      const sub = { client, id, filter, keys: places(filter) }
      client.subs.set(id, sub)
      for (const key of sub.keys) {
        if (!index.has(key)) index.set(key, new Set())
        index.get(key).add(sub)
      }
    } else if (type === 'CLOSE') drop(client, rest[0])
  }

  const server = createServer()
  server.on('upgrade', (request, socket) => {
    socket.setNoDelay(true)
    const accept = createHash('sha1')
      .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64')
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    )
    const client = { socket, out: [], subs: new Map() }
    let rest
    socket.on('error', () => undefined)
    socket.on('close', () => {
      for (const id of [...client.subs.keys()]) drop(client, id)
      dirty.delete(client)
    })
    socket.on('data', chunk => {
      let data = rest ? Buffer.concat([rest, chunk]) : chunk
      rest = undefined
      while (data.length >= 6) {
        const short = data[1] & 127
        const header = short < 126 ? 6 : 8
        const length = short < 126 ? short : data.length < 4 ? Infinity : data.readUInt16BE(2)
        if (data.length < header + length) break
        const end = header + length
        if (data.readUInt32LE(header - 4))
          for (let i = 0; i < length; i++) data[header + i] ^= data[header - 4 + (i & 3)]
        if ((data[0] & 15) === 1) receive(client, data.toString('utf8', header, end))
        data = data.subarray(end)
      }
      if (data.length > 0) rest = Buffer.from(data)
    })
  })
  server.listen(0, '127.0.0.1', 4096, () =>
    console.log(`yardstick: listening on ws://127.0.0.1:${server.address().port}`),
  )
}

/** BIP-340 by recovery, as relay/curve.ts has it. */
function verifier() {
  const { ecdsaRecover } = require('secp256k1')
  const n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
  const tag = createHash('sha256').update('BIP0340/challenge').digest()
  const challenge = Buffer.concat([tag, tag, Buffer.alloc(96)])
  const out = new Uint8Array(33)
  const bytes = value => hex(value.toString(16).padStart(64, '0'))
  return ({ id, pubkey, sig }) => {
    challenge.write(sig, 64, 32, 'hex')
    challenge.write(pubkey, 96, 32, 'hex')
    challenge.write(id, 128, 32, 'hex')
    const e = BigInt(`0x${hash('sha256', challenge)}`) % n
    const px = BigInt(`0x${pubkey}`)
    const s = BigInt(`0x${sig.slice(64)}`)
    if (s >= n) return false
    try {
      const rs = Buffer.concat([bytes(px % n), bytes((e * px) % n)])
      ecdsaRecover(rs, px >= n ? 2 : 0, bytes((s * px) % n), true, out)
    } catch {
      return false
    }
    return out[0] === 3 && challenge.compare(out, 1, 33, 64, 96) === 0
  }
}
