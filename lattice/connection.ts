import type { Blobs } from "./blobs.ts";
import type { Bus } from "./bus.ts";
import type { State } from "./state.ts";

/** One connection to what holds a lattice together: in process, or NATS with JetStream. */
export interface LatticeConnection extends AsyncDisposable {
  readonly bus: Bus;

  /**
   * The bucket of that name (`LATTICEDATA_default`), made when it is missing. One object per name.
   * Every operation fails with STATE_UNAVAILABLE while the server is away or offers no JetStream;
   * watches come back by themselves and tell what changed meanwhile.
   */
  state(bucket: string): State;

  /** The object store of that name, made when it is missing. */
  blobs(bucket: string): Blobs;

  /** What an operator should know of the servers; never a secret. */
  describe(): ConnectionReport;

  /** Finishes what it holds, then closes. May be called twice. */
  drain(): Promise<void>;

  /** Closes at once. May be called twice. */
  close(): Promise<void>;
}

export interface ConnectionReport {
  /** `host:port` of the server in use, or of those it tries; `in process`. */
  readonly server: string;
  readonly version: string | undefined;
  /** False: shared state and large payloads are refused. Undefined: not known yet. */
  readonly jetStream: boolean | undefined;
  readonly reconnects: number;
  /** Why no server is reached, or why it refuses us; undefined while all is well. */
  readonly problem: string | undefined;
}
