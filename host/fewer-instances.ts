import type { Host } from "./host.ts";
import { actorHandle, type PlacementRecord } from "./wanted.ts";

/** Takes `count` instances away from these placements, one after the other; one that is left without any stops. */
export async function fewerInstances(host: Host, records: readonly PlacementRecord[], count: number): Promise<void> {
  let left = count;
  for (const record of records) {
    if (left === 0) return;
    const { instances } = record.spec.limits;
    if (left >= instances) await host.stopActor(actorHandle(record));
    else await host.scale(actorHandle(record), instances - left);
    left = Math.max(left - instances, 0);
  }
}
