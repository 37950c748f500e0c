import type { StoreEntry } from "../../capabilities/index.ts";
import { fail } from "../../lattice/index.ts";

/** What a batch of entries may be at most, in bytes of JSON; a batch ends after 1 MiB of values, or one value over it. */
const mostBytes = 64 * 1024 * 1024;

/** Entries as JSON: a value that is no text is an object with its bytes as base64. */
export function writeEntries(entries: readonly StoreEntry[]): Uint8Array {
  return Buffer.from(
    JSON.stringify(
      entries.map((entry) =>
        entry.kind === "value" && typeof entry.value !== "string"
          ? { ...entry, value: { base64: Buffer.from(entry.value).toString("base64") } }
          : entry,
      ),
    ),
  );
}

/** @throws LatticeError REQUEST_INVALID when it is no list of entries. */
export function readEntries(bytes: Uint8Array): readonly StoreEntry[] {
  let found: unknown;
  try {
    found = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw invalid();
  }
  if (!Array.isArray(found)) throw invalid();
  return found.map(entryOf);
}

/** Bytes in pieces that a message can carry; at least one. */
export function piecesOf(bytes: Uint8Array, mostEach: number): readonly Uint8Array[] {
  const count = Math.max(1, Math.ceil(bytes.length / mostEach));
  return Array.from({ length: count }, (_, at) => bytes.subarray(at * mostEach, (at + 1) * mostEach));
}

/** Pieces that come one after the other. */
export class Pieces {
  #held: Uint8Array[] = [];
  #bytes = 0;

  /** @throws LatticeError REQUEST_INVALID when they are more than a batch can be. */
  add(piece: Uint8Array): void {
    this.#held.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes <= mostBytes) return;
    this.take();
    throw invalid();
  }

  take(): Uint8Array {
    const whole = Buffer.concat(this.#held);
    this.#held = [];
    this.#bytes = 0;
    return whole;
  }
}

function entryOf(entry: unknown): StoreEntry {
  if (typeof entry !== "object" || entry === null) throw invalid();
  const { key, expiresAt, kind, value, items } = entry as Record<string, unknown>;
  if (typeof key !== "string" || (expiresAt !== undefined && typeof expiresAt !== "number")) throw invalid();
  const common = { key, ...(expiresAt === undefined ? {} : { expiresAt }) };
  if (kind === "value") return { ...common, kind, value: valueOf(value) };
  if ((kind !== "list" && kind !== "set") || !Array.isArray(items)) throw invalid();
  if (!items.every((item) => typeof item === "string")) throw invalid();
  return { ...common, kind, items };
}

function valueOf(value: unknown): string | Uint8Array {
  if (typeof value === "string") return value;
  const { base64 } = (value ?? {}) as Record<string, unknown>;
  if (typeof base64 !== "string") throw invalid();
  return new Uint8Array(Buffer.from(base64, "base64"));
}

function invalid() {
  return fail("REQUEST_INVALID", "move.import", "it holds no entries of a store");
}
