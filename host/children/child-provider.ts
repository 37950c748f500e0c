import { resolve } from "node:path";
import { fail, type LatticeError } from "../../lattice/index.ts";
import { type ChildLimits, ChildRun } from "./child-process.ts";
import { mayListen } from "./http-desk.ts";
import type { ChildReach } from "./permissions.ts";
import type { ProviderRun, RunHooks } from "./provider-run.ts";
import { SeparateProvider } from "./separate-provider.ts";

export interface ChildOptions extends ChildReach, ChildLimits {
  /**
   * Given to the module's function, when its default export is one. Plain data; it goes over the pipe, so that
   * a secret shows neither in the arguments nor in the environment of the process.
   */
  readonly settings?: unknown;
  /** Told when the process ended without having been asked to. */
  readonly onGone?: (error: LatticeError) => void;
}

const defaults: Required<ChildLimits> = {
  memoryMiB: 128,
  loadMs: 10_000,
  stopMs: 2_000,
  payloadBytes: 64 * 1024 * 1024,
};

/**
 * A provider of a module that runs in a Node process of its own: the module's default export is a provider or a
 * function that makes one, and needs no change for it. The process may read its own code, and reach only what
 * `options` declare. Give the provider to `startProvider` like any other; one that is never started must be
 * stopped.
 *
 * When the process dies, calls in flight and later ones fail with PROVIDER_GONE and `health` says why. The host then
 * stops and starts it, which brings a new process up, and puts its links again.
 * @throws LatticeError PROVIDER_MODULE_INVALID, PROVIDER_GONE, DEADLINE_EXCEEDED when the module does not load in time.
 */
export async function childProvider(path: string, options: ChildOptions = {}): Promise<ChildProvider> {
  const provider = new ChildProvider(resolve(path), options, childLimits(options));
  await provider.load();
  return provider;
}

/** Those given and the defaults. @throws LatticeError OPTION_OUT_OF_RANGE. */
export function childLimits(options: ChildLimits): Required<ChildLimits> {
  const limits = { ...defaults, ...defined(options) };
  checkLimits(limits);
  return limits;
}

/** A provider in a process of its own. */
export class ChildProvider extends SeparateProvider {
  readonly #reach: ChildReach;
  readonly #limits: Required<ChildLimits>;

  /** With `config` its function is given that, and the configuration of now whenever its process comes up again. */
  constructor(
    path: string,
    options: ChildOptions & { readonly config?: Readonly<Record<string, string>> },
    limits: Required<ChildLimits>,
  ) {
    super(path, { ...options, loadMs: limits.loadMs });
    const { read, write, network, threads, alone = false } = options;
    this.#reach = {
      ...(read && { read }),
      ...(write && { write }),
      ...(network !== undefined && { network }),
      ...(threads && { threads }),
      alone,
    };
    this.#limits = limits;
  }

  protected override open(hooks: RunHooks): Promise<ProviderRun> {
    return ChildRun.start(this.path, this.#reach, this.#limits, hooks);
  }

  protected override mayListen(address: string): void {
    mayListen(this.#reach.network, address);
  }
}

function defined(options: ChildLimits): Partial<ChildLimits> {
  const { memoryMiB, loadMs, stopMs, payloadBytes } = options;
  return Object.fromEntries(
    Object.entries({ memoryMiB, loadMs, stopMs, payloadBytes }).filter(([, value]) => value !== undefined),
  );
}

function checkLimits(limits: Required<ChildLimits>): void {
  const ranges = {
    memoryMiB: [16, 65_536],
    loadMs: [1, 3_600_000],
    stopMs: [1, 3_600_000],
    payloadBytes: [1_024, 2 ** 30],
  } as const;
  for (const [name, [least, most]] of Object.entries(ranges)) {
    const value = limits[name as keyof ChildLimits];
    if (!(Number.isInteger(value) && value >= least && value <= most))
      throw fail("OPTION_OUT_OF_RANGE", name, value, `a whole number from ${least} to ${most}`);
  }
}
