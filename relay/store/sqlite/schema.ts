import type { Database } from 'better-sqlite3'

/** In order; add to the end, never edit. The number of applied ones is `user_version`. */
const migrations: readonly string[] = [
  `
  CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    pubkey BLOB NOT NULL,
    kind INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    address TEXT,
    expires INTEGER,
    raw TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX event_address ON event (address) WHERE address IS NOT NULL;
  CREATE INDEX event_author ON event (pubkey, kind, created_at DESC, id);
  CREATE INDEX event_kind ON event (kind, created_at DESC, id);
  CREATE INDEX event_time ON event (created_at DESC, id);
  CREATE INDEX event_expires ON event (expires) WHERE expires IS NOT NULL;

  -- One row for each single-letter tag; key is the letter and the value. created_at orders a tag's events.
  CREATE TABLE tag (
    key TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (key, created_at DESC, seq)
  ) STRICT, WITHOUT ROWID;

  -- NIP-09, whatever came first: what an author deleted by id, and its addresses up to a time.
  CREATE TABLE deleted_id (
    id BLOB NOT NULL,
    pubkey BLOB NOT NULL,
    PRIMARY KEY (id, pubkey)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE deleted_address (
    address TEXT PRIMARY KEY,
    until INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  -- NIP-62.
  CREATE TABLE vanished (
    pubkey BLOB PRIMARY KEY,
    until INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE doc (
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (collection, key)
  ) STRICT, WITHOUT ROWID;

  -- version counts how often it was asked for: a job asked for while it runs is run again.
  CREATE TABLE job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    plugin TEXT NOT NULL,
    name TEXT NOT NULL,
    key TEXT NOT NULL,
    payload TEXT NOT NULL,
    run_at INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 1,
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    dead INTEGER NOT NULL DEFAULT 0,
    UNIQUE (plugin, name, key)
  ) STRICT;
  CREATE INDEX job_due ON job (run_at) WHERE dead = 0;
  `,
]

/** Brings the database to the newest shape; a database from a newer Sluice is refused. */
export function migrate(db: Database): void {
  const version = Number(db.pragma('user_version', { simple: true }))
  if (version > migrations.length)
    throw new Error(
      `the database has shape ${version}, this Sluice knows ${migrations.length}: start a newer one`,
    )
  for (const [i, sql] of migrations.entries()) {
    if (i < version) continue
    db.transaction(() => {
      db.exec(sql)
      db.pragma(`user_version = ${i + 1}`)
    })()
  }
}
