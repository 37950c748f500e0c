import { whyActorAway, whyProviderAway } from "../course.ts";
import type { Host } from "../host.ts";
import type { LinkRow, Tables } from "../tables.ts";
import type { ActorElsewhere, PeerHost, ProviderElsewhere } from "./peers.ts";

/** Where a call would be answered, by the tables that dispatch reads. */
export interface Whereabouts {
  readonly ok: boolean;
  readonly text: string;
  readonly code?: string;
}

/** Of an actor key: here, on other hosts, or unknown to all of them. */
export function whereActor(host: Host, key: string): Whereabouts {
  const { tables, dispatch } = host.fleet.caller;
  const rows = tables.placementsOf(key);
  const others = tables.peers.actorsOf(key);
  if (rows.length > 0) {
    const why = whyActorAway(rows);
    const taken = others.length > 0 && why !== "full here";
    if (taken) return { ok: true, text: `${hostsText(others)}, since it is ${why}` };
    const spare = others.length > 0 ? `, and ${hostsText(others)} when its queue here is full` : "";
    return { ok: true, text: `here${spare}` };
  }
  if (others.length > 0) return { ok: true, text: hostsText(others) };
  return nowhere(host, dispatch.elsewhere !== undefined, "ACTOR_ABSENT");
}

/** Of the provider behind a link. */
export function whereProvider(host: Host, link: LinkRow): Whereabouts {
  const { spec, provider } = link;
  const { tables, dispatch } = host.fleet.caller;
  const others = tables.peers.providersOf(spec.provider, spec.providerLinkName ?? spec.linkName);
  if (provider && !provider.draining && provider.down === undefined) return { ok: true, text: "here" };
  if (provider && others.length === 0)
    return {
      ok: false,
      code: provider.draining ? "DRAINING" : "PROVIDER_DOWN",
      text: whyProviderAway(link),
    };
  const why = provider ? `, since it is ${whyProviderAway(link)}` : "";
  if (others.length > 0) {
    const taking = others.filter(({ peer, provider: { draining } }) => !peer.draining && !draining);
    const drained = { ok: false, code: "DRAINING", text: `on ${hosts(others)}, where it drains` };
    return taking.length > 0 ? { ok: true, text: `on ${hosts(taking)}${why}` } : drained;
  }
  return nowhere(host, dispatch.elsewhere !== undefined, "PROVIDER_ABSENT");
}

/** An actor that runs on other hosts only, by what a user may call it. */
export function findElsewhere(tables: Tables, target: string): readonly ActorElsewhere[] {
  const found = tables.peers.findActor(target);
  return found ? tables.peers.actorsOf(found.actor.key) : [];
}

export function hostsText(others: readonly ActorElsewhere[]): string {
  const hosts = others.map(({ peer, actor }) => `${named(peer)} with room for ${actor.room}`);
  return `on ${hosts.join(", ")}`;
}

function hosts(others: readonly ProviderElsewhere[]): string {
  return others.map(({ peer }) => named(peer)).join(", ");
}

function named({ name, draining }: PeerHost): string {
  return draining ? `${name} (draining)` : name;
}

function nowhere({ config }: Host, joined: boolean, code: string): Whereabouts {
  if (!joined) return { ok: false, code, text: "not running here, and this host is in no lattice" };
  const text = `no host of lattice ${config.lattice} announces it; hosts of wasmCloud 0.x would be asked`;
  return { ok: false, code, text };
}
