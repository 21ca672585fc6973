import type { Database } from 'better-sqlite3'

/** In order; add to the end, never edit. The number of applied ones is `user_version`. */
export const migrations: readonly (string | ((db: Database) => void))[] = [
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
  // Among equal times the lowest id comes first: 48 bits of it, kept as a number, order as well as all 256 do, and
  // make every index smaller. Tags get it too, so that their events come sorted.
  db => {
    db.function('tie_of', { deterministic: true }, id => tieOf(id as Buffer))
    db.exec(`
      ALTER TABLE event ADD COLUMN tie INTEGER NOT NULL DEFAULT 0;
      UPDATE event SET tie = tie_of(id);
      DROP INDEX event_author;
      DROP INDEX event_kind;
      DROP INDEX event_time;
      CREATE INDEX event_author ON event (pubkey, kind, created_at DESC, tie);
      CREATE INDEX event_kind ON event (kind, created_at DESC, tie);
      CREATE INDEX event_time ON event (created_at DESC, tie);

      ALTER TABLE tag RENAME TO old_tag;
      CREATE TABLE tag (
        key TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        tie INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (key, created_at DESC, tie, seq)
      ) STRICT, WITHOUT ROWID;
      INSERT INTO tag SELECT t.key, t.created_at, e.tie, t.seq FROM old_tag t JOIN event e ON e.seq = t.seq;
      DROP TABLE old_tag;
    `)
  },
]

/** The first 48 bits of an event's id. */
export const tieOf = (id: Buffer): number => id.readUIntBE(0, 6)

/**
 * Brings the database to the newest shape; a database from a newer Sluice is refused. Without `upgrade` so is an older
 * one: a tool must not change it under a relay that runs.
 */
export function migrate(db: Database, { upgrade }: { upgrade: boolean }): void {
  const version = Number(db.pragma('user_version', { simple: true }))
  if (version > migrations.length)
    throw new Error(
      `the database has shape ${version}, this Sluice knows ${migrations.length}: start a newer one`,
    )
  if (!upgrade && version > 0 && version < migrations.length)
    throw new Error(
      `the database has shape ${version}, older than ${migrations.length}: start this Sluice's relay once, it brings it up to date`,
    )
  for (const [i, migration] of migrations.entries()) {
    if (i < version) continue
    db.transaction(() => {
      // Another process (a plugin under strfry, the companion) may have been first.
      if (Number(db.pragma('user_version', { simple: true })) > i) return
      if (typeof migration === 'string') db.exec(migration)
      else migration(db)
      db.pragma(`user_version = ${i + 1}`)
    }).immediate()
  }
}
