import type { LinkSpec, NamedProvider, ProviderPlace } from "../engine-messages.ts";
import { aboutProvider, aboutStoppedProvider } from "../event-data.ts";
import type { Links } from "../links.ts";
import type { HostParts } from "../parts.ts";
import type { LinkRecord, ProviderRecord } from "../wanted.ts";
import type { OtherHosts } from "./other-hosts.ts";
import { knownText, untilKnown } from "./way.ts";

/** Longest wait until every host knows a way; those that do not are sent on. */
const knownMs = 10_000;
/** Longest wait until the other host announces what it took, and time between two looks; milliseconds. */
const announcedMs = 2_000;
const lookMs = 20;

/**
 * In the turn of a provider that runs here: from now on it serves elsewhere. Calls that wait go
 * there, those of other hosts too; the one here stays ready, and is announced until `farewell`.
 */
export async function giveAway(
  { fleet, wanted }: HostParts,
  book: Links,
  record: ProviderRecord,
  to: ProviderPlace,
): Promise<readonly LinkSpec[]> {
  const { id, key, linkName } = record.spec;
  const links = fleet.linksOf(id).map((link) => ({ ...link, provider: to.key, providerId: undefined }));
  await fleet.apply({ type: "give-provider", from: { id, key, linkName }, to, links });
  wanted.beside.set(record, to.key);
  wanted.providers.delete(id);
  return book.given(record.spec, to.key);
}

/**
 * Tells the lattice where a provider went that was given away. First every host must know that it is
 * there, then that its links lead there; only then it is announced here no more, so that nobody finds
 * no way in between. Answers how many know it, as text.
 */
export async function farewell(
  parts: HostParts,
  book: Links,
  hosts: OtherHosts,
  record: ProviderRecord,
  to: ProviderPlace,
  links: readonly LinkSpec[],
): Promise<string> {
  const { wanted, events, id: host } = parts;
  const { spec, annotations } = record;
  const way = { key: to.key, linkName: spec.linkName, host: to.host };
  const others = hosts.peers().filter((each) => each.host !== to.host);
  const isThere = () => hosts.peers().some((each) => each.host === to.host);
  let late = await untilKnown(hosts, others, { ...way, links: [] }, knownMs, isThere);
  if (to.key !== spec.key) {
    const shared = links.filter(({ placement }) => placement === undefined);
    await book.tell(shared);
    late = await untilKnown(hosts, others, { ...way, links: shared.map(({ id }) => id) }, knownMs, isThere);
  }
  // A link put here by its name goes there meanwhile.
  await announced(parts, way, isThere);
  wanted.beside.delete(record);
  events.emit("provider_stopped", { ...aboutStoppedProvider(host, spec, annotations), reason: "swap" });
  return knownText(others, late);
}

/** Waits until the other host has told this one that it runs the provider, a moment at most. */
async function announced({ fleet }: HostParts, { key, linkName }: NamedProvider, there: () => boolean): Promise<void> {
  const end = performance.now() + announcedMs;
  const isKnown = () => fleet.caller.tables.peers.findProvider(key, linkName) !== undefined;
  while (there() && !isKnown() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, lookMs));
}

/** In the turn of a provider that is ready here: from now on it serves, for every host that hears of it. */
export async function takeOver(
  { fleet, wanted, events, id: host }: HostParts,
  book: Links,
  record: ProviderRecord,
  links: readonly LinkRecord[],
  tolerated: number | undefined,
): Promise<void> {
  const { spec } = record;
  const watched = tolerated === undefined ? {} : { tolerated };
  await fleet.apply({
    type: "swap-provider",
    from: "",
    to: spec.id,
    links: links.map((link) => link.spec),
    ...watched,
  });
  wanted.providers.set(spec.id, record);
  book.taken(links);
  events.emit("provider_started", aboutProvider(host, record));
}
