import { getEnvironmentData, isMainThread, setEnvironmentData } from "node:worker_threads";

const slot = "wasmlattice:sequence";

/**
 * The counter behind sequence numbers: one per process, in memory that all its threads share, so
 * that the numbers of two engines never repeat. The main thread makes it and worker threads inherit
 * it; one whose main thread never loaded this module counts for itself.
 */
function sharedCounter(): BigUint64Array {
  const inherited = getEnvironmentData(slot);
  if (inherited instanceof SharedArrayBuffer) return new BigUint64Array(inherited);
  const own = new SharedArrayBuffer(8);
  if (isMainThread) setEnvironmentData(slot, own);
  return new BigUint64Array(own);
}

const counter = sharedCounter();

/** The next number of this process, from 1 on. */
export function nextInSequence(): number {
  return Number(Atomics.add(counter, 0, 1n)) + 1;
}
