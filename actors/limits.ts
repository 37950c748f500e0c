const MiB = 2 ** 20;

/** What one actor may use in one engine. Bytes, milliseconds, counts; every field has a default. */
export interface GuestLimits {
  /** Linear memory of one instance; a growth above it fails inside the guest. */
  readonly memoryBytes: number;
  /** CPU time of one call, nested calls not counted. */
  readonly cpuMs: number;
  /** Instances of the pool. A nested call may take one more per hop, so that a chain never waits for itself. */
  readonly instances: number;
  /** Idle instances kept however long they rest. */
  readonly minInstances?: number;
  /** Calls that may wait for an instance. */
  readonly queue: number;
  /** Rest after which an instance above the minimum is released. */
  readonly idleMs: number;
  /** Wall clock of all start functions of one instance together. */
  readonly startupMs: number;
  /** Payload or reply of one call, and of one host call. */
  readonly payloadBytes?: number;
}

/** Limits of a pool with nothing left open. */
export type PoolLimits = Readonly<Required<GuestLimits>>;

export const defaultLimits: PoolLimits = Object.freeze({
  memoryBytes: 64 * MiB,
  cpuMs: 500,
  instances: 16,
  minInstances: 1,
  queue: 1_000,
  idleMs: 30_000,
  startupMs: 5_000,
  payloadBytes: 16 * MiB,
});

/** Those given, defaults for the rest. */
export function guestLimits(given: Partial<GuestLimits> = {}): PoolLimits {
  const limits: Record<keyof PoolLimits, number> = { ...defaultLimits };
  for (const name of Object.keys(defaultLimits) as (keyof PoolLimits)[]) limits[name] = given[name] ?? limits[name];
  return Object.freeze(limits);
}
