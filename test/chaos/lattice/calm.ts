import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { ChaosHost } from "./chaos-host.ts";
import type { ChaosWorld } from "./world.ts";

/** How often a question that any host may answer is asked, so that each has most likely answered. */
const questions = 12;

/** Undefined when every host knows the same links, claims and hosts; else what differs. */
export async function disagreement(world: ChaosWorld): Promise<string | undefined> {
  const { hosts } = world;
  const links = await Promise.all(hosts.map(linksOf));
  for (const [at, host] of hosts.entries()) {
    if (links[at] !== links[0]) return `links of ${host.name}: ${links[at]}, of ${hosts[0]!.name}: ${links[0]}`;
    const known = await peersOf(host);
    if (known.length !== hosts.length - 1) return `${host.name} knows of ${known.length} other hosts`;
  }
  const claims = new Set<string>();
  for (let turn = 0; turn < questions; turn++) claims.add(await world.claims());
  return claims.size === 1 ? undefined : `claims: ${[...claims].join(" and ")}`;
}

/** Milliseconds until all agree, or what they differ in after `withinMs`. */
export async function agreement(world: ChaosWorld, withinMs: number): Promise<number | string> {
  const begin = performance.now();
  for (;;) {
    const differs = await disagreement(world).catch(String);
    const ms = performance.now() - begin;
    if (differs === undefined) return ms;
    if (ms > withinMs) return differs;
    await pause(50);
  }
}

/** Processes that live in one of these homes still; undefined where the system does not tell. */
export function orphans(homes: readonly string[]): readonly string[] | undefined {
  let ids: string[];
  try {
    ids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return undefined;
  }
  return ids.filter((id) => {
    try {
      const environment = readFileSync(`/proc/${id}/environ`, "utf8").split("\0");
      return homes.some((home) => environment.includes(`HOME=${home}`));
    } catch {
      return false;
    }
  });
}

async function linksOf(host: ChaosHost): Promise<string> {
  const rows = (await host.linked()).map(({ actor_id, provider_id, link_name, contract_id, values }) =>
    JSON.stringify([actor_id, contract_id, link_name, provider_id, values]),
  );
  return rows.toSorted().join(" ");
}

async function peersOf(host: ChaosHost): Promise<readonly string[]> {
  const { lattice } = (await host.ask("describe", { target: "host" })) as { lattice: { peers: readonly string[] } };
  return lattice.peers;
}
