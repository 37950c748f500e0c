/** Milliseconds between beats. */
export const beatMs = 20;

/**
 * Raises a counter in shared memory from this thread's event loop until the thread ends. The
 * supervisor reads it without asking, so a thread that no longer answers is noticed.
 */
export function beat(shared: SharedArrayBuffer): void {
  const counter = new Int32Array(shared);
  Atomics.add(counter, 0, 1);
  setInterval(() => Atomics.add(counter, 0, 1), beatMs).unref();
}
