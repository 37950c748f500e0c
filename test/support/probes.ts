import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { childProvider, type ChildProvider, type Provider } from "../../index.ts";
import { isAlive } from "./unruly-child.ts";
import { until } from "./until.ts";

/** How a probe runs, and what becomes of it when it falls. */
export type ProbeKind = "object" | "phoenix" | "child";

/** A provider that answers its name and the value `at` of the link, as a test sees it. */
export interface Probe {
  readonly kind: ProbeKind;
  readonly name: string;
  readonly provider: Provider;
  /** Calls that it was asked, as far as this process can tell. */
  readonly calls: number | undefined;
  /** It answers no more: an object until it is told to, the others until their host has brought them back. */
  fall(): void;
  /** Nothing where the host brings it back. */
  rise(): void;
  /** It runs, or nothing is left of it. */
  settled(runs: boolean): Promise<void>;
}

const patienceMs = 60_000;

/** One in this process, which counts its own life. */
class ObjectProbe implements Probe, Provider {
  readonly contractId = "wasmcloud:keyvalue";
  readonly kind: ProbeKind;
  readonly name: string;
  /** A phoenix may be started again, and is well then. */
  readonly restartable: boolean;
  readonly #refuses: boolean;
  #alive = true;
  #starts = 0;
  #stops = 0;
  calls = 0;

  constructor(kind: ProbeKind, name: string, refuses: boolean) {
    this.kind = kind;
    this.name = name;
    this.restartable = kind === "phoenix";
    this.#refuses = refuses;
  }

  get provider(): Provider {
    return this;
  }

  async start(): Promise<void> {
    this.#starts++;
    if (this.#refuses) throw new Error("no room");
    // What comes meanwhile meets one that is neither here nor there.
    if (this.restartable) await new Promise((resolve) => setTimeout(resolve, 20));
    if (this.restartable) this.#alive = true;
  }

  handle({ link }: Parameters<Provider["handle"]>[0]): Uint8Array {
    this.calls++;
    assert.ok(this.#starts > this.#stops, "asked after it was stopped");
    if (!this.#alive) throw new Error("it fell");
    return Buffer.from(`${this.name} ${link.values["at"]}`);
  }

  health(): { healthy: boolean } {
    return { healthy: this.#alive };
  }

  async stop(): Promise<void> {
    this.#stops++;
  }

  fall(): void {
    this.#alive = false;
  }

  rise(): void {
    if (!this.restartable) this.#alive = true;
  }

  async settled(runs: boolean): Promise<void> {
    await until(() => this.#starts - this.#stops === (runs ? 1 : 0), patienceMs).catch(() => {
      assert.fail(`${this.name} was started ${this.#starts} times and stopped ${this.#stops} times; it runs: ${runs}`);
    });
  }
}

class ChildProbe implements Probe {
  readonly kind = "child";
  readonly calls = undefined;
  readonly name: string;
  readonly provider: ChildProvider;
  /** Every process that was seen of it. */
  readonly #pids = new Set<number>();

  constructor(provider: ChildProvider) {
    this.provider = provider;
    this.name = provider.name;
    this.#look();
  }

  fall(): void {
    const { pid } = this.provider;
    if (pid !== undefined) process.kill(pid, "SIGKILL");
  }

  rise(): void {}

  async settled(runs: boolean): Promise<void> {
    const living = () => {
      this.#look();
      return [...this.#pids].filter(isAlive).length;
    };
    await until(() => living() === (runs ? 1 : 0), patienceMs).catch(() => {
      assert.fail(`${living()} processes of ${this.name} are there; it runs: ${runs}`);
    });
  }

  #look(): void {
    const { pid } = this.provider;
    if (pid !== undefined) this.#pids.add(pid);
  }
}

export async function probe(kind: ProbeKind, name: string, refuses = false): Promise<Probe> {
  if (kind !== "child") return new ObjectProbe(kind, name, refuses);
  const module = fileURLToPath(new URL("probe-child.ts", import.meta.url));
  return new ChildProbe(await childProvider(module, { settings: { name, refuses }, loadMs: patienceMs }));
}
