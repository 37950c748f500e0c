import type { DatabaseSync } from "node:sqlite";
import { fail } from "../../lattice/index.ts";

/** "wlkv": marks a file as ours. */
const applicationId = 0x77_6c_6b_76;
const version = 1;

/** Kinds of keys as the table has them. */
export const kinds = { value: 0, list: 1, set: 2 } as const;

/**
 * Texts are kept as blobs: they may hold NUL. A list's or set's content is in a table of its own, so that
 * a change writes one item, whatever the length.
 */
const tables = `
  CREATE TABLE keys (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, kind INTEGER NOT NULL,
    value BLOB, size INTEGER NOT NULL DEFAULT 0, expires INTEGER
  );
  CREATE INDEX expiring ON keys (expires) WHERE expires IS NOT NULL;
  CREATE TABLE items (owner INTEGER, position INTEGER, item BLOB, PRIMARY KEY (owner, position)) WITHOUT ROWID;
  CREATE TABLE members (owner INTEGER, member BLOB, PRIMARY KEY (owner, member)) WITHOUT ROWID;
  PRAGMA application_id = ${applicationId};
  PRAGMA user_version = ${version};
`;

/**
 * Makes the tables of a new file. Commits reach the disk before they are answered (`synchronous = FULL`
 * on a write-ahead log), so that what was acknowledged outlives the process and the power.
 * @throws LatticeError FILE_UNREADABLE for a database of something else or of a later version.
 */
export function prepareFile(database: DatabaseSync, path: string): void {
  database.exec("PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
  database.exec("BEGIN IMMEDIATE");
  try {
    const held = (name: string) => Number(Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
    const empty = database.prepare("SELECT count(*) AS n FROM sqlite_schema").get()?.["n"] === 0;
    if (empty) database.exec(tables);
    else if (held("application_id") !== applicationId) throw fail("FILE_UNREADABLE", path, "it is another program's");
    else if (held("user_version") !== version) throw fail("FILE_UNREADABLE", path, "a later version of us wrote it");
    database.exec("COMMIT");
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}
