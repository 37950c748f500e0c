import { fail } from "../lattice/index.ts";
import type { Document, HostClient } from "./client.ts";
import { choiceOf, hostsFor } from "./discovery.ts";
import { latticeChoice, openLattice } from "./lattice-access.ts";
import type { Options } from "./command.ts";
import type { Output } from "./output.ts";

/** What is to be started somewhere. */
export type Lot =
  | { readonly kind: "actor"; readonly reference: string }
  | { readonly kind: "provider"; readonly reference: string; readonly linkName: string };

/** How long hosts may think after another has bid, in milliseconds. */
const biddingMs = 1_000;

/**
 * The host that takes something on: the one that was named, or of those of the lattice that carry the
 * labels and bid for it the one with the least to do.
 * @throws LatticeError HOST_ABSENT naming the labels when nobody bids.
 */
export async function hostByAuction(
  options: Options,
  lot: Lot,
  constraints: Readonly<Record<string, string>>,
  output: Output,
): Promise<HostClient> {
  const choice = choiceOf(options);
  const lattice = latticeChoice(options);
  const hosts = await hostsFor(choice);
  if (hosts.length === 1 || lattice === undefined || choice.hostId !== undefined) {
    await checkLabels(hosts[0].client, constraints, choice.hostId !== undefined);
    if (hosts.length > 1) output.note(`${hosts.length} hosts run; took ${hosts[0].id} (choose with --host-id)`);
    return hosts[0].client;
  }
  const { subjects, access } = await openLattice(lattice).then((opened) => ({
    subjects: opened.subjects,
    access: opened,
  }));
  const bids =
    lot.kind === "actor"
      ? await access.gather(subjects.write("auctionActor"), { actor_ref: lot.reference, constraints }, biddingMs)
      : await access.gather(
          subjects.write("auctionProvider"),
          { provider_ref: lot.reference, link_name: lot.linkName, constraints },
          biddingMs,
        );
  const best = bids.toSorted((a, b) => burden(a) - burden(b))[0];
  const winner = hosts.find(({ id }) => id === best?.host_id);
  if (!winner)
    throw fail("HOST_ABSENT", `lattice ${lattice.lattice} that would take ${lot.reference}${labelText(constraints)}`);
  output.detail(`${bids.length} hosts bid; ${winner.id} has the least to do`);
  return winner.client;
}

/** Hosts of others say nothing of their load: they come after those that do. */
function burden(bid: Document): number {
  const running = typeof bid.running === "number" ? bid.running : 1e6;
  return running * 1e6 + (typeof bid.instances === "number" ? bid.instances : 0);
}

/** One host is no choice: its labels must fit all the same. */
async function checkLabels(
  client: HostClient,
  constraints: Readonly<Record<string, string>>,
  chosen: boolean,
): Promise<void> {
  const wanted = Object.entries(constraints);
  if (wanted.length === 0 || chosen) return;
  const { hosts } = await client.call("get.hosts", {}, 5_000);
  const [record] = Array.isArray(hosts) ? (hosts as { labels: Record<string, string> }[]) : [];
  const missing = wanted.filter(([key, value]) => record?.labels[key] !== value);
  if (missing.length > 0) throw fail("HOST_ABSENT", `labels ${missing.map((pair) => pair.join("=")).join(", ")}`);
}

function labelText(constraints: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(constraints).map((pair) => pair.join("="));
  return pairs.length === 0 ? "" : ` with labels ${pairs.join(", ")}`;
}
