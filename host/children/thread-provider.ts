import { resolve } from "node:path";
import { fail, type LatticeError } from "../../lattice/index.ts";
import type { ProviderRun, RunHooks } from "./provider-run.ts";
import { SeparateProvider } from "./separate-provider.ts";
import { type CompiledThreadLimits, type ThreadLimits, ThreadRun } from "./thread-run.ts";

export interface ThreadOptions extends ThreadLimits {
  /** Given to the module's function, when its default export is one. Plain data. */
  readonly settings?: unknown;
  /** Told when the thread ended without having been asked to. */
  readonly onGone?: (error: LatticeError) => void;
}

/**
 * A provider of a module that runs in this process, in a thread of its own: the module's default export is a provider
 * or a function that makes one, and needs no change for it. It may do what the host may; what it cannot do is hold
 * up the host. A hang, an error that nobody caught and `process.exit` end its thread alone: calls in flight and later
 * ones fail with PROVIDER_GONE, `health` says why, and the host brings another up with its links. Give it to
 * `startProvider` like any other; one that is never started must be stopped.
 * @throws LatticeError PROVIDER_MODULE_INVALID, PROVIDER_GONE, DEADLINE_EXCEEDED when the module does not load in time.
 */
export async function threadProvider(path: string, options: ThreadOptions = {}): Promise<ThreadProvider> {
  const provider = new ThreadProvider(resolve(path), options);
  await provider.load();
  return provider;
}

/** A provider in a thread of its own. */
export class ThreadProvider extends SeparateProvider {
  readonly #limits: CompiledThreadLimits;

  /**
   * With `config` its function is given that, and the configuration of now whenever its thread comes up again.
   * @throws LatticeError OPTION_OUT_OF_RANGE.
   */
  constructor(path: string, options: ThreadOptions & { readonly config?: Readonly<Record<string, string>> }) {
    const limits = threadLimits(options);
    super(path, { ...options, loadMs: limits.loadMs });
    this.#limits = limits;
  }

  protected override async open(hooks: RunHooks): Promise<ProviderRun> {
    return new ThreadRun(this.path, this.#limits, hooks);
  }
}

const ranges = {
  silenceMs: [50, 3_600_000],
  memoryMiB: [16, 65_536],
  loadMs: [1, 3_600_000],
  stopMs: [1, 3_600_000],
  payloadBytes: [1_024, 2 ** 30],
} as const satisfies Record<keyof ThreadLimits, readonly [number, number]>;

function threadLimits({ silenceMs, memoryMiB, loadMs, stopMs, payloadBytes }: ThreadLimits): CompiledThreadLimits {
  const limits = {
    silenceMs: silenceMs ?? 3_000,
    loadMs: loadMs ?? 10_000,
    stopMs: stopMs ?? 2_000,
    payloadBytes: payloadBytes ?? 64 * 1024 * 1024,
    ...(memoryMiB === undefined ? {} : { memoryMiB }),
  };
  for (const [name, value] of Object.entries(limits)) {
    const [least, most] = ranges[name as keyof ThreadLimits];
    if (!(Number.isInteger(value) && value >= least && value <= most))
      throw fail("OPTION_OUT_OF_RANGE", name, value, `a whole number from ${least} to ${most}`);
  }
  return limits;
}
