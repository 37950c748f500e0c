import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { makeArchive, nodeModule } from "../../actors/index.ts";
import {
  type ActorHandle,
  type Host,
  type HostOptions,
  KeyPair,
  type Provider,
  startHost,
  type SwapOutcome,
} from "../../index.ts";
import { archiveOf, programNamed } from "./archives.ts";
import { Counting } from "./counting.ts";
import { edgeActor } from "./edge.ts";
import { until } from "./until.ts";

const contractId = "wasmcloud:keyvalue";
/** Of all versions of both. */
const subject = KeyPair.generate("service").publicKey;
const patience = 60_000;
/** A process starts late on a busy machine. */
export const patientLimits = { callTimeoutMs: patience };

/** A provider of an archive, with the process that it runs in. */
export type Opened = Provider & { readonly pid: number | undefined };

/** A program that counts in a file that its configuration names; all versions have one key. */
export function programArchive(version: string): Uint8Array {
  return archiveOf({ contractId, subject, program: programNamed({ contract: contractId, version }) });
}

/** Written from the bytes alone: what it would import takes a busy machine longer to load than a host waits for a start. */
const storeModule = `
  export default () => {
    const held = new Map();
    const key = (payload) => /count-[0-9]+/.exec(Buffer.from(payload).toString("latin1"))[0];
    return {
      contractId: "${contractId}",
      name: "store",
      handle({ operation, payload }) {
        const count = (held.get(key(payload)) ?? 0) + (operation.endsWith("Increment") ? 1 : 0);
        const text = String(count);
        if (operation.endsWith("Get"))
          return Buffer.from("\\x82\\xa5value\\xd9" + String.fromCharCode(text.length) + text + "\\xa6exists\\xc3", "latin1");
        held.set(key(payload), count);
        const reply = Buffer.from([0xce, 0, 0, 0, 0]);
        reply.writeUInt32BE(count, 1);
        return reply;
      },
      async *exportEntries() {
        for (const [key, count] of held) yield { key, kind: "value", value: String(count) };
      },
      async importEntries(entries) {
        let count = 0;
        for await (const { key, value } of entries) {
          held.set(key, Number(Buffer.from(value).toString()));
          count++;
        }
        return count;
      },
      countEntries: async () => held.size,
    };
  };
`;

/** A module for Node, by default a store in memory; all versions have one key. */
export function moduleArchive(version: string, source: string = storeModule): Uint8Array {
  return makeArchive({
    name: `Store ${version}`,
    contractId,
    vendor: "Demo",
    issuer: KeyPair.generate("account"),
    subject,
    binaries: new Map([["node", nodeModule("store.ts", Buffer.from(`${source}\n// ${version}`))]]),
  });
}

export function opened(host: Host, archive: Uint8Array): Opened {
  return host.openArchive(archive, "swapped.par") as Opened;
}

/** Increments of an actor all the time, but not more than the machine bears. */
export class SteadyCount implements AsyncDisposable {
  readonly #counting: Counting;

  constructor(host: Host, actor: ActorHandle) {
    this.#counting = new Counting(host, { actors: [actor], callers: 6, keys: 5, restMs: 3 });
  }

  get done(): number {
    return this.#counting.done;
  }

  /** Resolves after so many more, or when one fails. */
  async more(calls = 50): Promise<void> {
    const [wanted, failed] = [this.done + calls, this.#counting.errors];
    await until(() => this.done >= wanted || this.#counting.errors > failed, patience);
  }

  /** All were answered, but for as many as are `tolerated`. */
  async end(tolerated = 0): Promise<void> {
    await this.#counting.stop();
    if (this.#counting.errors > tolerated) assert.deepEqual(this.#counting.wrong, []);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#counting.stop();
  }

  /** Keys that hold another number than was counted, for a store that can be asked. */
  differences(): Promise<string[]> {
    return this.#counting.differences();
  }
}

/** The new one serves, and no call was lost. */
export function keptAll({ outcome, lost }: SwapOutcome): void {
  assert.deepEqual([outcome, lost], ["swapped", 0]);
}

/** Archives by URL, as another host fetches them. */
export async function serveArchives(
  archives: Readonly<Record<string, Uint8Array>>,
): Promise<AsyncDisposable & { readonly url: string }> {
  const web = createServer(({ url = "" }, response) => response.end(archives[url.slice(1)]));
  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
  const { port } = web.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      web.closeAllConnections();
      await new Promise((resolve) => web.close(resolve));
    },
  };
}

export interface TwoHosts extends AsyncDisposable {
  readonly one: Host;
  readonly two: Host;
  readonly actor: ActorHandle;
}

/** Two hosts of a lattice; an actor on the second is linked to the store that runs on the first. */
export async function twoHosts(
  store: (one: Host) => Provider | string,
  config: Readonly<Record<string, string>>,
  options: HostOptions,
): Promise<TwoHosts> {
  const resources = new AsyncDisposableStack();
  const common = {
    clusterSeed: KeyPair.generate("cluster").seed,
    logLevel: "silent",
    limits: patientLimits,
    ...options,
  } as const;
  const [one, two] = [resources.use(await startHost(common)), resources.use(await startHost(common))] as const;
  await until(() => [one, two].every(({ member }) => member?.peers.some(({ draining }) => !draining)), patience);
  const provider = await one.startProvider(store(one), { config });
  const actor = await two.startActor(edgeActor());
  const linked = () =>
    one.link(actor.id, provider).then(
      () => true,
      () => false,
    );
  await until(linked, patience);
  const way = { key: provider.id, linkName: provider.linkName, host: one.id };
  await until(() => two.wanted.links.size === 1 && two.knowsWay(way, []), patience);
  return { one, two, actor, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}
