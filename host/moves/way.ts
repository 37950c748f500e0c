import type { OtherHosts } from "./other-hosts.ts";

const askEveryMs = 25;
/** Longest wait for one answer of another host, in milliseconds. */
const silentMs = 3_000;

/** Where calls over these links shall go: a provider, the N key of its host, and link ids. */
export interface Way {
  readonly key: string;
  readonly linkName: string;
  readonly host: string;
  readonly links: readonly string[];
}

/**
 * Resolves when every engine of every host that `asked` names sends calls that way, at the latest
 * after `withinMs`, or when the way is no longer `wanted`. Answers the names of those that do not.
 */
export async function untilKnown(
  hosts: OtherHosts,
  asked: ReturnType<OtherHosts["peers"]>,
  way: Way,
  withinMs: number,
  wanted: () => boolean = () => true,
): Promise<readonly string[]> {
  const end = performance.now() + withinMs;
  const late: string[] = [];
  await Promise.all(
    asked.map(async ({ host, name }) => {
      while (performance.now() < end && wanted()) {
        const answer = await hosts.ask(host, "move.seen", way, silentMs).catch(() => undefined);
        if (answer?.["seen"] === true || !hosts.peers().some((each) => each.host === host)) return;
        await new Promise((resolve) => setTimeout(resolve, askEveryMs));
      }
      late.push(name);
    }),
  );
  return late;
}

/** How many of the hosts that were asked know the way. */
export function knownText(asked: readonly unknown[], late: readonly string[]): string {
  const known = asked.length - late.length;
  const rest = late.length === 0 ? "" : `; calls of ${late.join(", ")} are sent on from here`;
  return `${known} other ${known === 1 ? "host knows" : "hosts know"} the way${rest}`;
}
