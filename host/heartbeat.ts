/**
 * An engine's heartbeat: a counter in shared memory that its event loop raises. The supervisor reads
 * it without asking, so a thread that no longer answers is noticed.
 */
export interface Heartbeat {
  readonly shared: SharedArrayBuffer;
  /** Milliseconds since the counter last moved, as far as this reader has seen. */
  silentMs(): number;
}

/** Milliseconds between beats. */
export const beatMs = 20;

export function createHeartbeat(): Heartbeat {
  const shared = new SharedArrayBuffer(4);
  const counter = new Int32Array(shared);
  let seen = 0;
  let at = performance.now();
  return {
    shared,
    silentMs() {
      const now = performance.now();
      const value = Atomics.load(counter, 0);
      if (value !== seen) {
        seen = value;
        at = now;
      }
      return now - at;
    },
  };
}

/** Beats from this thread's event loop until the thread ends. */
export function beat(shared: SharedArrayBuffer): void {
  const counter = new Int32Array(shared);
  Atomics.add(counter, 0, 1);
  setInterval(() => Atomics.add(counter, 0, 1), beatMs).unref();
}
