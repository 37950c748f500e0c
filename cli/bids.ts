import { type Document, rowsOf } from "./client.ts";
import type { FoundHost } from "./discovery.ts";

/** What is to be started somewhere. */
export type Lot =
  | { readonly kind: "actor"; readonly reference: string }
  | { readonly kind: "provider"; readonly reference: string; readonly linkName: string };

/** What a host that was found by its socket would answer to an auction: it takes part in none without a lattice. */
export interface HostBid extends Document {
  readonly host: FoundHost;
  /** The same provider runs there already under that link name. */
  readonly taken: boolean;
  readonly running: number;
  readonly instances: number;
}

/** Longest wait for what a host of this machine says of itself, in milliseconds. One that says nothing does not bid. */
const askMs = 5_000;

/** The bids of the hosts that run and carry the labels, in the hosts' order. */
export async function bidsOf(
  hosts: readonly FoundHost[],
  lot: Lot,
  constraints: Readonly<Record<string, string>>,
): Promise<HostBid[]> {
  const bids = await Promise.all(
    hosts.map(async (host): Promise<HostBid[]> => {
      const { inventories } = await host.client.call("get.inventory", {}, askMs).catch(() => ({ inventories: [] }));
      const [inventory] = rowsOf({ inventories }, "inventories");
      if (inventory?.state !== "running" || !carries(inventory, constraints)) return [];
      const placements = rowsOf(inventory, "actors").flatMap((actor) => rowsOf(actor, "instances"));
      const providers = rowsOf(inventory, "providers");
      return [
        {
          host,
          taken: lot.kind === "provider" && providers.some((row) => isLot(row, lot)),
          running: placements.length + providers.length,
          instances: placements.reduce((sum, { running }) => sum + (typeof running === "number" ? running : 0), 0),
        },
      ];
    }),
  );
  return bids.flat();
}

/** The bid of whoever has the least to do; of equals the first. */
export function leastBurden<Bid extends Document>(bids: readonly Bid[]): Bid | undefined {
  return bids.toSorted((a, b) => burden(a) - burden(b))[0];
}

/** Whether a host's record or inventory carries every label. */
export function carries(record: Document | undefined, constraints: Readonly<Record<string, string>>): boolean {
  const labels = (record?.labels ?? {}) as Readonly<Record<string, unknown>>;
  return Object.entries(constraints).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value);
}

/** The labels asked for, as the end of a sentence. */
export function labelText(constraints: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(constraints).map((pair) => pair.join("="));
  return pairs.length === 0 ? "" : ` with labels ${pairs.join(", ")}`;
}

function isLot(row: Document, { reference, linkName }: { reference: string; linkName: string }): boolean {
  return row.image_ref === reference && row.link_name === linkName;
}

/** Hosts of others say nothing of their load: they come after those that do. */
function burden(bid: Document): number {
  const running = typeof bid.running === "number" ? bid.running : 1e6;
  return running * 1e6 + (typeof bid.instances === "number" ? bid.instances : 0);
}
