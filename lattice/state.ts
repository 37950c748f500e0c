import { fail } from "./errors.ts";

/**
 * The seam to shared state: a bucket of keys with values, in process (`memory-state.ts`) or JetStream
 * key-value. Both pass `test/contract/state-suite.ts`. Every change gets a revision that grows over
 * the whole bucket, from 1. Values are read-only for those who get them.
 */
export interface State extends AsyncDisposable {
  /** Largest value in bytes. */
  readonly maxValueBytes: number;

  /** Undefined when the key is absent or deleted. @throws LatticeError STATE_KEY_INVALID, STOPPED. */
  get(key: string): Promise<StateEntry | undefined>;

  /**
   * Writes a value (copied) and returns its revision. With `revision` only when the key stands at
   * that revision; 0 means that it must be absent or deleted.
   * @throws LatticeError REVISION_CONFLICT, STATE_KEY_INVALID, PAYLOAD_TOO_LARGE, STOPPED.
   */
  put(key: string, value: Uint8Array, expected?: ExpectedRevision): Promise<number>;

  /**
   * Deletes a key; an absent one stays absent without error.
   * @throws LatticeError REVISION_CONFLICT when `revision` is given and differs, STATE_KEY_INVALID, STOPPED.
   */
  delete(key: string, expected?: ExpectedRevision): Promise<void>;

  /** Entries whose key fits the pattern (as subjects: `*` one token, a last `>` one or more; default all), by key. */
  list(pattern?: string): Promise<StateEntry[]>;

  /**
   * Tells every entry that fits, then the changes in order. Resolves when the entries that stood were
   * told. No key's last change is ever left out; of changes that follow each other quickly on one key,
   * a remote store may leave out those between. After a time away it tells what differs then, as `anew`.
   * @throws LatticeError STATE_KEY_INVALID, STOPPED.
   */
  watch(pattern: string, handler: (change: StateChange) => void): Promise<StateWatch>;

  /** Ends watches and refuses everything after. What was put stays. May be called twice. */
  close(): Promise<void>;
}

export interface StateEntry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: number;
}

export interface ExpectedRevision {
  readonly revision?: number;
}

export type StateChange = (
  | ({ readonly kind: "put" } & StateEntry)
  | { readonly kind: "delete"; readonly key: string; readonly revision: number }
) & {
  /**
   * It stands so after a time away, whatever was known before, be that younger by its revision: a server that lost
   * its power, or was restored, has forgotten what it had acknowledged, and gives its revisions out again.
   */
  readonly anew?: true;
};

export interface StateWatch {
  /** Nothing is told after. May be called twice. */
  stop(): void;
}

/** Source: NATS architecture decision ADR-8, key-value: characters of keys, no empty token. */
const keyToken = /^[-/_=a-zA-Z0-9]+$/;
const maxKeyLength = 1_024;

/** @throws LatticeError STATE_KEY_INVALID. */
export function checkStateKey(key: string): void {
  const tokens = key.split(".");
  if (key.length > maxKeyLength || !tokens.every((token) => keyToken.test(token))) throw fail("STATE_KEY_INVALID", key);
}

/** @throws LatticeError STATE_KEY_INVALID. */
export function checkStatePattern(pattern: string): void {
  const tokens = pattern.split(".");
  const fits = tokens.every(
    (token, index) => token === "*" || keyToken.test(token) || (token === ">" && index === tokens.length - 1),
  );
  if (pattern.length > maxKeyLength || !fits) throw fail("STATE_KEY_INVALID", pattern);
}
