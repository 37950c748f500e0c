import { fail } from "./errors.ts";

/**
 * The seam to a store of large objects: in process or JetStream's object store. Both pass
 * `test/contract/blobs-suite.ts`. What is read is what was written: its digest is checked.
 */
export interface Blobs extends AsyncDisposable {
  /** Writes an object (copied), replacing one of the same name. @throws LatticeError STATE_KEY_INVALID, STOPPED. */
  put(name: string, content: Uint8Array): Promise<void>;

  /**
   * Undefined when there is none.
   * @throws LatticeError PAYLOAD_TOO_LARGE over `maxBytes`, before it is fetched; BLOB_CORRUPT when the
   * digest differs; STOPPED.
   */
  get(name: string, maxBytes: number): Promise<Uint8Array | undefined>;

  /** What an object is, without fetching it; undefined when there is none. @throws LatticeError STOPPED. */
  info(name: string): Promise<BlobInfo | undefined>;

  /** Deletes an object; an absent one stays absent without error. */
  delete(name: string): Promise<void>;

  /** Every object, in no order. */
  list(): Promise<BlobInfo[]>;

  /**
   * Takes the whole store away with every object in it, whoever wrote it; one that was never made stays absent.
   * A later put makes it anew. @throws LatticeError STOPPED.
   */
  destroy(): Promise<void>;

  /** What was put stays. May be called twice. */
  close(): Promise<void>;
}

export interface BlobInfo {
  readonly name: string;
  readonly bytes: number;
  /** When it was written, in milliseconds since 1970. */
  readonly at: number;
  /** Another one after each put of the name. Opaque. */
  readonly version: string;
}

const maxNameLength = 512;

/** @throws LatticeError STATE_KEY_INVALID: an empty or very long name, or control characters. */
export function checkBlobName(name: string): void {
  if (name === "" || name.length > maxNameLength || /\p{Cc}/u.test(name)) throw fail("STATE_KEY_INVALID", name);
}
