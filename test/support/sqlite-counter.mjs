// Counts in a store until it is killed, and says each count only after the store has said it.
import { SqliteStore } from "../../capabilities/keyvalue-sqlite/store.ts";

const store = new SqliteStore({ path: process.argv[2] ?? "" });
for (;;) {
  const counts = await Promise.all(Array.from({ length: 8 }, () => store.increment("count", 1)));
  process.stdout.write(`${Math.max(...counts)}\n`);
}
