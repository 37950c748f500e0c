import type { StoreEntry } from "../capabilities/index.ts";

/** Entries, and bytes of them, that travel between threads at once. */
const mostEntries = 500;
const mostBytes = 1024 * 1024;

/** The entries of a store in pieces that can be sent. */
export async function* batches(entries: AsyncIterable<StoreEntry>): AsyncGenerator<readonly StoreEntry[], undefined> {
  let batch: StoreEntry[] = [];
  let bytes = 0;
  for await (const entry of entries) {
    batch.push(entry);
    bytes += sizeOf(entry);
    if (batch.length < mostEntries && bytes < mostBytes) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}

/** A batch as what providers take. */
export async function* listOf(entries: readonly StoreEntry[]): AsyncGenerator<StoreEntry> {
  yield* entries;
}

function sizeOf(entry: StoreEntry): number {
  const held = entry.kind === "value" ? entry.value.length : entry.items.reduce((sum, item) => sum + item.length, 0);
  return entry.key.length + held;
}
