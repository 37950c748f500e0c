import { contractOf, fail } from "../../lattice/index.ts";
import { payloadError } from "../codec/malformed.ts";
import type { Link, Provider, ProviderCall, ProviderContext } from "../provider.ts";
import { Downloads } from "./downloads.ts";
import { decode, encode, isCbor } from "./e4-codec.ts";
import { type Desk, e4Operations } from "./e4-operations.ts";
import type { BlobStore } from "./store.ts";
import { Uploads } from "./uploads.ts";
import { readWascc } from "./wascc-codec.ts";
import { wasccOperations } from "./wascc-operations.ts";

export interface BlobstoreOptions {
  readonly name: string;
  /** Finds the store of a link, by its values. @throws LatticeError LINK_VALUES_INVALID. */
  readonly storeOf: (link: Link) => BlobStore;
}

/**
 * Makes a provider of `wasmcloud:blobstore`. It speaks E1 to E4, both encodings of E4; the store knows
 * none of them. Stores are closed with it.
 */
export function blobstoreProvider(options: BlobstoreOptions): Provider {
  return new Blobstore(options);
}

class Blobstore implements Provider {
  readonly contractId = contractOf("blobstore");
  readonly name: string;
  readonly #storeOf: BlobstoreOptions["storeOf"];
  readonly #desks = new Map<string, Desk>();
  #context: ProviderContext | undefined;
  readonly #inWork = new Set<Promise<unknown>>();

  constructor({ name, storeOf }: BlobstoreOptions) {
    this.name = name;
    this.#storeOf = storeOf;
  }

  start(context: ProviderContext): void {
    this.#context = context;
  }

  async putLink(link: Link): Promise<void> {
    const store = this.#storeOf(link);
    const before = this.#desks.get(link.id);
    if (before?.store === store) return;
    const downloads = new Downloads(store, () => this.#context!);
    this.#desks.set(link.id, { store, uploads: new Uploads(store), downloads });
    await before?.uploads.drop();
  }

  async deleteLink(link: Link): Promise<void> {
    const desk = this.#desks.get(link.id);
    this.#desks.delete(link.id);
    await desk?.uploads.drop();
  }

  handle(call: ProviderCall): Promise<Uint8Array> {
    const desk = this.#desks.get(call.link.id);
    if (!desk) throw fail("LINK_ABSENT", call.link.linkedActor.name, call.contractId, call.linkName);
    const work = answer(desk, call);
    this.#inWork.add(work);
    return work.finally(() => this.#inWork.delete(work));
  }

  async drain(): Promise<void> {
    await Promise.allSettled(this.#inWork);
  }

  async stop(): Promise<void> {
    const desks = [...this.#desks.values()];
    this.#desks.clear();
    await Promise.all(desks.map(({ uploads }) => uploads.drop()));
    for (const store of new Set(desks.map((desk) => desk.store))) await store.close?.();
  }
}

async function answer(desk: Desk, call: ProviderCall): Promise<Uint8Array> {
  const { contractId, operation, era, payload } = call;
  try {
    const modern = e4Operations.get(operation);
    if (modern) {
      const request = decode(operation, payload, modern.takes);
      return encode(await modern.run(desk, request, call), modern.gives, isCbor(payload));
    }
    const early = wasccOperations.get(operation);
    if (!early) throw fail("OPERATION_UNKNOWN", contractId, operation);
    return await early(desk, readWascc(era, operation, payload), call);
  } catch (error) {
    throw payloadError(operation, error);
  }
}
