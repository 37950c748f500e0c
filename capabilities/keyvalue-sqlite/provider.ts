import { type KeyvalueProvider, keyvalueProvider } from "../keyvalue/provider.ts";
import { SqliteStore, type SqliteStoreOptions } from "./store.ts";

/** Key-value in a SQLite file of this machine. It starts only when the file is there or can be made. */
export function sqliteKeyvalue(options: SqliteStoreOptions): KeyvalueProvider<SqliteStore> {
  return Object.assign(keyvalueProvider(new SqliteStore(options)), { name: "key-value in SQLite" });
}
