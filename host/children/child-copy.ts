import type { Link, Provider, StoreEntry } from "../../capabilities/index.ts";
import { fail } from "../../lattice/index.ts";
import { batches, listOf } from "../entry-batches.ts";
import type { CopyRequest, EntryBatch } from "./messages.ts";

/** The members of a provider that make a copy of its entries possible; each of them is optional. */
export const copyMembers = ["exportEntries", "importEntries", "countEntries", "clearEntries", "storeName"] as const;
export type CopyMember = (typeof copyMembers)[number];

/** The host's end: those that the provider has, asked over the pipe. `name` gives what the child said of a link's store. */
export function copiesOver(
  ask: (request: CopyRequest) => Promise<unknown>,
  members: readonly CopyMember[],
  name: (link: Link | undefined) => string,
): Pick<Provider, CopyMember> {
  let exports = 0;
  const idOf = (link: Link | undefined) => link?.id ?? "";
  const whole: Required<Pick<Provider, CopyMember>> = {
    async *exportEntries(link) {
      const exportId = ++exports;
      let done = false;
      try {
        while (!done) {
          const batch = entryBatch(await ask({ type: "export", exportId, linkId: idOf(link), end: false }));
          done = batch.done;
          yield* batch.entries;
        }
      } finally {
        if (!done) await ask({ type: "export", exportId, linkId: idOf(link), end: true });
      }
    },
    async importEntries(entries, link) {
      let count = 0;
      for await (const batch of batches(entries))
        count += numberOf(await ask({ type: "import", linkId: idOf(link), entries: batch.map(plainEntry) }));
      return count;
    },
    countEntries: async (link) => numberOf(await ask({ type: "count", linkId: idOf(link) })),
    clearEntries: async (link) => numberOf(await ask({ type: "clear", linkId: idOf(link) })),
    storeName: name,
  };
  return Object.fromEntries(members.map((member) => [member, whole[member]]));
}

/** The child's end: answers for one provider. */
export class CopyDesk {
  readonly #exports = new Map<number, AsyncGenerator<readonly StoreEntry[]>>();

  /** @throws LatticeError OPERATION_UNKNOWN when the provider cannot. */
  async answer(request: CopyRequest, provider: Provider, link: Link | undefined): Promise<unknown> {
    switch (request.type) {
      case "export":
        return this.#export(request, provider, link);
      case "import":
        return (await provider.importEntries?.(listOf(request.entries), link)) ?? cannot(provider, "import");
      case "count":
        return (await provider.countEntries?.(link)) ?? cannot(provider, "count");
      case "clear":
        return (await provider.clearEntries?.(link)) ?? cannot(provider, "clear");
      default:
        return request satisfies never;
    }
  }

  async #export(
    { exportId, end }: Extract<CopyRequest, { type: "export" }>,
    provider: Provider,
    link: Link | undefined,
  ): Promise<EntryBatch> {
    const open = this.#exports.get(exportId) ?? batches(provider.exportEntries?.(link) ?? cannot(provider, "export"));
    const step = end ? await open.return(undefined) : await open.next();
    if (step.done) this.#exports.delete(exportId);
    else this.#exports.set(exportId, open);
    return { entries: step.done ? [] : step.value.map(plainEntry), done: step.done === true };
  }
}

function cannot({ contractId }: Provider, what: string): never {
  throw fail("OPERATION_UNKNOWN", contractId, what);
}

/** Without members that are undefined, which would come out as null. */
function plainEntry(entry: StoreEntry): StoreEntry {
  const { expiresAt, ...rest } = entry;
  return expiresAt === undefined ? rest : { ...rest, expiresAt };
}

function entryBatch(value: unknown): EntryBatch {
  const { entries, done } = (value ?? {}) as Partial<EntryBatch>;
  if (!Array.isArray(entries) || typeof done !== "boolean") throw new TypeError("it gave no entries");
  return { entries, done };
}

function numberOf(value: unknown): number {
  if (typeof value !== "number") throw new TypeError("it gave no number");
  return value;
}
