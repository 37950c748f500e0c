import type { ProviderPlace } from "../engine-messages.ts";
import { aboutProvider, aboutStoppedProvider } from "../event-data.ts";
import type { Links } from "../links.ts";
import type { HostParts } from "../parts.ts";
import type { LinkRecord, ProviderRecord } from "../wanted.ts";

/**
 * In the turn of a provider that runs here: from now on it serves elsewhere. Calls that wait go
 * there, those of other hosts too; the one here stays ready, and is announced no more.
 */
export async function giveAway(
  { fleet, wanted, events, id: host }: HostParts,
  book: Links,
  { spec, annotations }: ProviderRecord,
  to: ProviderPlace,
): Promise<void> {
  const { id, key, linkName } = spec;
  const links = fleet.linksOf(id).map((link) => ({ ...link, provider: to.key, providerId: undefined }));
  await fleet.apply({ type: "give-provider", from: { id, key, linkName }, to, links });
  wanted.providers.delete(id);
  await book.given(spec, to.key);
  events.emit("provider_stopped", { ...aboutStoppedProvider(host, spec, annotations), reason: "swap" });
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
