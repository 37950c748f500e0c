import { counted, describe, fail } from "../lattice/index.ts";
import type { LinkSpec, ProviderSpec } from "./engine-messages.ts";
import { askPolicyToStart, type HostParts } from "./parts.ts";
import { startRequest } from "./policy-ends.ts";
import type { LinkRecord } from "./wanted.ts";

/** Longest wait for a new provider to be healthy, in milliseconds. */
const healthyMs = 5_000;
const askHealthEveryMs = 50;

/** A provider that shall take over from `from`: it runs and opens links, and nobody calls it yet. */
export class Newcomer {
  readonly spec: ProviderSpec;
  readonly #parts: HostParts;
  readonly #from: string;

  constructor(parts: HostParts, spec: ProviderSpec, from: string) {
    this.#parts = parts;
    this.spec = spec;
    this.#from = from;
  }

  /** @throws LatticeError POLICY_REFUSED, and what its start throws. */
  async start(): Promise<void> {
    await askPolicyToStart(this.#parts, startRequest(this.spec));
    await this.#parts.fleet.apply({ type: "put-provider", spec: this.spec, staged: true });
  }

  /** It checks every link; all that it refuses is said at once, as SWAP_REFUSED. */
  async open(wanted: readonly LinkSpec[]): Promise<readonly LinkRecord[]> {
    const { fleet, wanted: known } = this.#parts;
    const { key, id, name } = this.spec;
    const links = wanted.map((link) => ({ ...link, provider: key, providerId: id }));
    const staged = await Promise.allSettled(links.map((link) => fleet.apply({ type: "stage-link", link })));
    const problems = staged.flatMap((result, at) =>
      result.status === "rejected" ? [`${linkText(this.#parts, links[at]!)}: ${describe(result.reason)}`] : [],
    );
    if (problems.length > 0) throw fail("SWAP_REFUSED", this.#from, name, problems.join("; "));
    return links.map((spec, at) => {
      const result = staged[at]!;
      const status = result.status === "fulfilled" ? result.value : undefined;
      const settled = status?.values ? { ...spec, values: status.values } : spec;
      return { spec: settled, urls: status?.urls ?? known.links.get(spec.id)?.urls ?? [] };
    });
  }

  /** @throws LatticeError SWAP_REFUSED with the last thing that it said. */
  async untilHealthy(): Promise<void> {
    const { id, name } = this.spec;
    const end = performance.now() + healthyMs;
    for (;;) {
      const answers = await this.#parts.fleet.ask<"health">({ type: "health", id });
      const unwell = answers.find(({ healthy }) => !healthy);
      if (answers.length > 0 && !unwell) return;
      const why = unwell?.message ?? "no engine runs it";
      if (performance.now() > end) throw fail("SWAP_REFUSED", this.#from, name, `it is not healthy: ${why}`);
      await new Promise((resolve) => setTimeout(resolve, askHealthEveryMs));
    }
  }

  /** It was not needed; whatever it meets is nobody's trouble any more. */
  async leave(): Promise<void> {
    const { fleet } = this.#parts;
    await fleet.apply({ type: "drop-provider", id: this.spec.id, drainMs: 0 }).catch(() => {});
    fleet.objects.delete(this.spec.id);
  }
}

/** A link for people: of the actor by its name, where that is known. */
export function linkText({ fleet }: HostParts, { linkName, actor }: LinkSpec): string {
  return `link "${linkName}" of ${fleet.caller.tables.known(actor)?.name ?? actor}`;
}

/** What is said of calls that a swap has failed; nothing where there are none. */
export function lostText(unanswered: number, refused: number): string {
  const left = unanswered === 0 ? "" : `, ${counted(unanswered, "call")} unanswered`;
  return refused === 0 ? left : `${left}, ${counted(refused, "call")} refused meanwhile`;
}

export function linksText({ length }: readonly unknown[], name: string): string {
  return `${length} ${length === 1 ? "link is" : "links are"} open on ${name}`;
}
