import { counted, fail } from "../lattice/index.ts";
import { bidsOf, carries, type HostBid, labelText, leastBurden, type Lot } from "./bids.ts";
import type { HostClient } from "./client.ts";
import { rowsOf } from "./client.ts";
import type { Options } from "./command.ts";
import { choiceOf, type FoundHost, hostsFor } from "./discovery.ts";
import { type LatticeChoice, openLattice } from "./lattice-access.ts";
import type { Output } from "./output.ts";

/** How long hosts may think after another has bid, in milliseconds. */
const biddingMs = 1_000;

/**
 * The host that takes something on: the one that was named, or of those of the lattice, or of this
 * machine, that carry the labels and would take it the one with the least to do.
 * @throws LatticeError HOST_ABSENT when none runs; NO_HOST_FITS naming the labels when none of them would.
 */
export async function hostByAuction(
  options: Options,
  lot: Lot,
  constraints: Readonly<Record<string, string>>,
  output: Output,
): Promise<HostClient> {
  const choice = choiceOf(options);
  const hosts = await hostsFor(choice);
  const [first] = hosts;
  if (hosts.length === 1 || choice.hostId !== undefined) {
    await checkLabels(first, lot, constraints, choice.hostId !== undefined);
    return first.client;
  }
  // Only hosts of a lattice come with their record; those of this machine may belong to none.
  return first.record !== undefined && choice.lattice !== undefined
    ? ofLattice(choice.lattice, hosts, lot, constraints, output)
    : ofMachine(hosts, lot, constraints, output);
}

async function ofLattice(
  lattice: LatticeChoice,
  hosts: readonly FoundHost[],
  lot: Lot,
  constraints: Readonly<Record<string, string>>,
  output: Output,
): Promise<HostClient> {
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
  const best = leastBurden(bids);
  const winner = hosts.find(({ id }) => id === best?.host_id);
  if (!winner) throw fail("NO_HOST_FITS", lot.reference, `lattice ${lattice.lattice}`, labelText(constraints));
  output.detail(`${counted(bids.length, "host")} bid; ${winner.id} has the least to do`);
  return winner.client;
}

async function ofMachine(
  hosts: readonly FoundHost[],
  lot: Lot,
  constraints: Readonly<Record<string, string>>,
  output: Output,
): Promise<HostClient> {
  const bids = await bidsOf(hosts, lot, constraints);
  // What runs everywhere already is refused by one of them, which says so best.
  const best: HostBid | undefined = leastBurden(bids.filter(({ taken }) => !taken)) ?? bids[0];
  if (best === undefined) throw fail("NO_HOST_FITS", lot.reference, "this machine", labelText(constraints));
  const { id, client } = best.host;
  output.note(
    `${hosts.length} hosts run here; took ${id}, which has the least to do; choose with --host-id or --socket`,
  );
  return client;
}

/** One host is no choice: its labels must fit all the same. */
async function checkLabels(
  { client, id }: FoundHost,
  lot: Lot,
  constraints: Readonly<Record<string, string>>,
  chosen: boolean,
): Promise<void> {
  if (Object.keys(constraints).length === 0 || chosen) return;
  const [record] = rowsOf(await client.call("get.hosts", {}, 5_000), "hosts");
  if (!carries(record, constraints))
    throw fail("NO_HOST_FITS", lot.reference, `the only one, ${id},`, labelText(constraints));
}
