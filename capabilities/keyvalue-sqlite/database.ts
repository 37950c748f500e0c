import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { SetChange, StoreEntry, Value } from "../keyvalue/store.ts";
import { bytesOf, textOf, valueOf } from "../keyvalue/values.ts";
import { type Attempt, counted, wrongType } from "../keyvalue/wrong-type.ts";
import { kinds, prepareFile } from "./schema.ts";

interface Row {
  readonly id: number;
  readonly kind: number;
  readonly value: Uint8Array | null;
  readonly size: number;
  readonly expires: number | null;
}

type Kind = keyof typeof kinds;
const kindNames = Object.keys(kinds) as Kind[];

/** The operations of the contract on one SQLite file, for the thread that waits for the disk. */
export class SqliteDatabase {
  /** Milliseconds since 1970; whoever asks sets it. */
  now = 0;
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(path: string) {
    this.#database = new DatabaseSync(path);
    prepareFile(this.#database, path);
  }

  /** Runs `work` in one transaction; what it throws takes everything back. */
  transact<T>(writes: boolean, work: () => T): T {
    this.#database.exec(writes ? "BEGIN IMMEDIATE" : "BEGIN");
    try {
      const result = work();
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  get(key: string): Value | undefined {
    const row = this.#find(key, "value", "get");
    return row?.value ? valueOf(row.value) : undefined;
  }

  set(key: string, value: Value, expiresSeconds: number): void {
    this.#put(key, "value", bytesOf(value), expiresSeconds === 0 ? null : this.now + expiresSeconds * 1_000);
  }

  delete(key: string): boolean {
    const row = this.#row(key);
    if (row) this.#drop(row);
    return row !== undefined;
  }

  contains(key: string): boolean {
    return this.#row(key) !== undefined;
  }

  increment(key: string, by: number): number {
    const row = this.#find(key, "value", "increment");
    const sum = counted(key, row?.value ? valueOf(row.value) : undefined, by);
    const bytes = Buffer.from(String(sum));
    if (row) this.#run("UPDATE keys SET value = ? WHERE id = ?", bytes, row.id);
    else this.#put(key, "value", bytes, null);
    return sum;
  }

  listAdd(key: string, value: string): number {
    const row = this.#find(key, "list", "add to list");
    const id = row?.id ?? this.#put(key, "list", null, null);
    this.#run(
      "INSERT INTO items SELECT ?1, coalesce(max(position) + 1, 0), ?2 FROM items WHERE owner = ?1",
      id,
      Buffer.from(value),
    );
    return this.#resize(id, (row?.size ?? 0) + 1);
  }

  listRemoveFirst(key: string, value: string): boolean {
    const row = this.#find(key, "list", "remove from list");
    if (!row) return false;
    const removed = this.#run(
      `DELETE FROM items WHERE owner = ?1 AND position =
       (SELECT position FROM items WHERE owner = ?1 AND item = ?2 ORDER BY position LIMIT 1)`,
      row.id,
      Buffer.from(value),
    );
    if (removed > 0) this.#resize(row.id, row.size - removed);
    return removed > 0;
  }

  listRemoveAll(key: string, value: string): number {
    const row = this.#find(key, "list", "remove from list");
    if (!row) return 0;
    const removed = this.#run("DELETE FROM items WHERE owner = ? AND item = ?", row.id, Buffer.from(value));
    return this.#resize(row.id, row.size - removed);
  }

  listRange(key: string, start: number, stop: number): string[] {
    const row = this.#find(key, "list", "read list");
    if (!row) return [];
    const from = start < 0 ? Math.max(0, row.size + start) : start;
    const to = stop < 0 ? row.size + stop : stop;
    return to < from ? [] : this.#items(row.id, from, to - from + 1);
  }

  setAdd(key: string, value: string): SetChange {
    const row = this.#find(key, "set", "add to set");
    const id = row?.id ?? this.#put(key, "set", null, null);
    const changed = this.#run("INSERT OR IGNORE INTO members VALUES (?, ?)", id, Buffer.from(value));
    const size = (row?.size ?? 0) + changed;
    if (changed > 0) this.#resize(id, size);
    return { changed, size };
  }

  setRemove(key: string, value: string): SetChange {
    const row = this.#find(key, "set", "remove from set");
    if (!row) return { changed: 0, size: 0 };
    const changed = this.#run("DELETE FROM members WHERE owner = ? AND member = ?", row.id, Buffer.from(value));
    return { changed, size: changed === 0 ? row.size : this.#resize(row.id, row.size - changed) };
  }

  setQuery(key: string): string[] {
    const row = this.#find(key, "set", "read set");
    return row ? this.#members(row.id) : [];
  }

  setUnion(keys: readonly string[]): string[] {
    return [...new Set(keys.flatMap((key) => this.setQuery(key)))];
  }

  setIntersection(keys: readonly string[]): string[] {
    const [first = new Set<string>(), ...others] = keys.map((key) => new Set(this.setQuery(key)));
    return [...first].filter((member) => others.every((set) => set.has(member)));
  }

  /** The next keys in order after `after`; fewer than `most` when there are no more. */
  page(prefix: string, after: string | undefined, most: number): StoreEntry[] {
    const from = after === undefined ? "key >= ?" : "key > ?";
    const rows = this.#statement(
      `SELECT * FROM keys WHERE ${from} AND substr(key, 1, ?) = ? AND ${standing} ORDER BY key LIMIT ?`,
    ).all(Buffer.from(after ?? prefix), ...starting(prefix), this.now, most) as unknown as (Row & {
      key: Uint8Array;
    })[];
    return rows.map((row) => this.#entry(textOf(row.key), row));
  }

  count(prefix: string): number {
    const counting = this.#statement(`SELECT count(*) AS n FROM keys WHERE substr(key, 1, ?) = ? AND ${standing}`);
    return Number(counting.get(...starting(prefix), this.now)?.["n"]);
  }

  clear(prefix: string): number {
    const count = this.count(prefix);
    const gone = "SELECT id FROM keys WHERE substr(key, 1, ?) = ?";
    for (const table of ["items", "members"]) {
      this.#run(`DELETE FROM ${table} WHERE owner IN (${gone})`, ...starting(prefix));
    }
    this.#run("DELETE FROM keys WHERE substr(key, 1, ?) = ?", ...starting(prefix));
    return count;
  }

  load(entry: StoreEntry): void {
    const { key, expiresAt } = entry;
    if (expiresAt !== undefined && expiresAt <= this.now) return void this.delete(key);
    const expires = expiresAt === undefined ? null : Math.ceil(expiresAt);
    if (entry.kind === "value") {
      this.#put(key, "value", bytesOf(entry.value), expires);
      return;
    }
    const id = this.#put(key, entry.kind, null, expires);
    for (const [position, item] of entry.items.entries()) {
      if (entry.kind === "list") this.#run("INSERT INTO items VALUES (?, ?, ?)", id, position, Buffer.from(item));
      else this.#run("INSERT OR IGNORE INTO members VALUES (?, ?)", id, Buffer.from(item));
    }
    this.#resize(id, entry.items.length);
  }

  /** Deletes some of the keys whose time has passed; tells how many. */
  sweep(most: number): number {
    const rows = this.#statement("SELECT * FROM keys WHERE expires <= ? LIMIT ?").all(this.now, most);
    for (const row of rows as unknown as Row[]) this.#drop(row);
    return rows.length;
  }

  ping(): void {
    this.#statement("SELECT id FROM keys LIMIT 1").get();
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #row(key: string): Row | undefined {
    const row = this.#statement("SELECT id, kind, value, size, expires FROM keys WHERE key = ?").get(Buffer.from(key));
    const found = row as unknown as Row | undefined;
    return found && (found.expires === null || found.expires > this.now) ? found : undefined;
  }

  #find(key: string, kind: Kind, attempt: Attempt): Row | undefined {
    const row = this.#row(key);
    if (row && row.kind !== kinds[kind]) throw wrongType(attempt, key, kindNames[row.kind] ?? "value");
    return row;
  }

  /** Replaces whatever the key held. */
  #put(key: string, kind: Kind, value: Uint8Array | null, expires: number | null): number {
    const bytes = Buffer.from(key);
    const held = this.#statement("SELECT id, kind FROM keys WHERE key = ?").get(bytes) as unknown as Row | undefined;
    if (held && held.kind !== kinds.value) this.#empty(held);
    const put = this.#statement(
      `INSERT INTO keys (key, kind, value, expires) VALUES (?, ?, ?, ?) ON CONFLICT (key)
       DO UPDATE SET kind = excluded.kind, value = excluded.value, expires = excluded.expires, size = 0 RETURNING id`,
    );
    return Number(put.get(bytes, kinds[kind], value, expires)?.["id"]);
  }

  #drop(row: Row): void {
    this.#empty(row);
    this.#run("DELETE FROM keys WHERE id = ?", row.id);
  }

  #empty({ id, kind }: Row): void {
    if (kind !== kinds.value) this.#run(`DELETE FROM ${kind === kinds.list ? "items" : "members"} WHERE owner = ?`, id);
  }

  /** An empty list or set is no key. */
  #resize(id: number, size: number): number {
    if (size === 0) this.#run("DELETE FROM keys WHERE id = ?", id);
    else this.#run("UPDATE keys SET size = ? WHERE id = ?", size, id);
    return size;
  }

  #entry(key: string, { id, kind, value, expires }: Row): StoreEntry {
    const rest = expires === null ? { key } : { key, expiresAt: expires };
    if (kind === kinds.list) return { ...rest, kind: "list", items: this.#items(id, 0, -1) };
    if (kind === kinds.set) return { ...rest, kind: "set", items: this.#members(id) };
    return { ...rest, kind: "value", value: valueOf(value ?? new Uint8Array(0)) };
  }

  #items(id: number, offset: number, most: number): string[] {
    const rows = this.#statement("SELECT item FROM items WHERE owner = ? ORDER BY position LIMIT ? OFFSET ?");
    return rows.all(id, most, offset).map(({ item }) => textOf(item as Uint8Array));
  }

  #members(id: number): string[] {
    const rows = this.#statement("SELECT member FROM members WHERE owner = ?").all(id);
    return rows.map(({ member }) => textOf(member as Uint8Array));
  }

  #run(sql: string, ...parameters: (number | null | Uint8Array)[]): number {
    return Number(this.#statement(sql).run(...parameters).changes);
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) this.#statements.set(sql, (statement = this.#database.prepare(sql)));
    return statement;
  }
}

const standing = "(expires IS NULL OR expires > ?)";

/** Parameters of `substr(key, 1, ?) = ?`. */
function starting(prefix: string): [number, Uint8Array] {
  const bytes = Buffer.from(prefix);
  return [bytes.length, bytes];
}
