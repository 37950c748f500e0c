import type { Provider } from "../../capabilities/index.ts";
import { canonicalContract, describe, fail } from "../../lattice/index.ts";
import type { ProviderSpec } from "../engine-messages.ts";
import type { Links } from "../links.ts";
import type { HostParts } from "../parts.ts";
import type { ProviderNews } from "../provider-questions.ts";
import type { SwapJournal } from "../swap-journal.ts";
import { swapReference } from "../swap-reference.ts";
import { Guest, type GuestWish } from "./guest.ts";
import type { OtherHosts, Verdict, Verdicts } from "./other-hosts.ts";

/** How often silent hosts are looked for, how long one may be silent before it is asked, and how long one that never says what it wants is waited for; milliseconds. */
const lookMs = 2_000;
const silentMs = 6_000;
const givenUpMs = 20_000;
/** Providers that may be on their way here at once. */
const mostGuests = 64;

export interface GuestRequest extends GuestWish {
  /** Key of the old one. */
  readonly key: string;
  readonly contractId: string;
  readonly linkName: string;
  readonly reference: string;
  /** Our own: by reference and settings; an archive: opened by whoever asks. */
  readonly archive?: Provider;
  readonly config: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** What makes a provider's description of a reference; see `Providers.describe`. */
export type DescribeProvider = (
  provider: Provider | string,
  options: { readonly linkName: string; readonly config: Readonly<Record<string, string>> },
) => ProviderSpec;

/** Providers that come to this host by a swap of another host, until that swap is over. */
export class Guests {
  readonly #parts: HostParts;
  readonly #book: Links;
  readonly #describe: DescribeProvider;
  readonly #verdicts: Verdicts;
  readonly #guests = new Map<string, { readonly guest: Guest; readonly oldKey: string }>();
  hosts: OtherHosts | undefined;
  journal: SwapJournal | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: HostParts, book: Links, verdicts: Verdicts, describeProvider: DescribeProvider) {
    this.#parts = parts;
    this.#book = book;
    this.#verdicts = verdicts;
    this.#describe = describeProvider;
  }

  /** @throws LatticeError SWAP_REFUSED with all problems, PROVIDER_CONFLICT, POLICY_REFUSED. */
  async stage(request: GuestRequest): Promise<Guest> {
    const { id, name, contractId, linkName, reference, archive, config, annotations, key } = request;
    if (this.#guests.size >= mostGuests || this.#guests.has(id))
      throw fail("QUEUE_FULL", "swaps to this host", mostGuests);
    const asked = archive ? { provider: archive, config: {} } : swapReference(reference, contractId);
    const spec = this.#describe(asked.provider, { linkName, config: { ...config, ...asked.config } });
    try {
      if (canonicalContract(spec.contractId) !== canonicalContract(contractId))
        throw fail("SWAP_REFUSED", name, spec.name, `it provides ${spec.contractId}, not ${contractId}`);
      for (const { spec: other } of this.#parts.wanted.providers.values())
        if (other.key === spec.key && other.linkName === linkName)
          throw fail("PROVIDER_CONFLICT", contractId, linkName, other.name);
    } catch (error) {
      this.#parts.fleet.objects.delete(spec.id);
      throw error;
    }
    const shown = spec.source.kind === "builtin" ? spec.source.reference : reference;
    const guest = new Guest(
      this.#parts,
      this.#book,
      { spec, annotations, reference: shown, startedAt: Date.now() },
      request,
    );
    this.#guests.set(id, { guest, oldKey: key });
    try {
      await guest.stage();
    } catch (error) {
      this.#guests.delete(id);
      throw error;
    }
    this.#timer ??= setInterval(() => void this.#look(), lookMs).unref();
    return guest;
  }

  /** @throws LatticeError REQUEST_INVALID when no such swap is under way here. */
  get(id: string): Guest {
    const held = this.#guests.get(id);
    if (!held) throw fail("REQUEST_INVALID", "move", `no swap ${id} is under way here`);
    held.guest.heardAt = performance.now();
    return held.guest;
  }

  /** Whether the provider came with a swap that is not over. */
  isHere(slot: string): boolean {
    return [...this.#guests.values()].some(({ guest }) => guest.slot === slot);
  }

  /** It is on the disk before it takes effect: from then on the new one stands, unless the other host takes it back. */
  async take(id: string, tolerated: number | undefined): Promise<void> {
    const guest = this.get(id);
    const { spec, reference: to } = guest.record;
    await this.#parts.turns.take(guest.slot, async () => {
      const { contractId, linkName } = spec;
      const elsewhere = { host: guest.from, side: "old" } as const;
      await this.journal?.note({ id, contractId, linkName, from: guest.replaces, to, stands: "new", elsewhere });
      await guest.take(tolerated);
    });
    // Named configurations are followed from now on.
    if (guest.configured) void this.#book.providerStarted(spec).catch(() => {});
  }

  /** The swap is over: `new` stays here, `old` serves again where it was. */
  async end(id: string, verdict: "old" | "new", drainMs: number): Promise<void> {
    const held = this.#guests.get(id);
    if (!held) return;
    const { guest, oldKey } = held;
    await this.#parts.turns.take(guest.slot, async () => {
      if (guest.settled && verdict === "old")
        throw fail("REQUEST_INVALID", "move.end", `${guest.record.spec.name} was changed since`);
      if (verdict === "new") await guest.keep();
      else await guest.giveBack(oldKey, drainMs, this.hosts);
      this.#forget(id, verdict);
      await this.journal?.close(id);
    });
  }

  /** What stands by what is known here, for the host that the provider left. */
  verdict(id: string): Verdict {
    const held = this.#guests.get(id);
    if (!held) return this.#verdicts.get(id);
    return held.guest.state === "staged" ? "open" : "new";
  }

  /** In the turn of `slot`: another change of that provider comes, so it is not given back any more. */
  settle(slot: string): Promise<void> | undefined {
    for (const { guest } of this.#guests.values()) {
      if (guest.slot !== slot || guest.state !== "serving") continue;
      guest.settled = true;
      return guest.keep();
    }
    return undefined;
  }

  hear({ id, news, reason }: ProviderNews): void {
    for (const { guest } of this.#guests.values())
      if (guest.record.spec.id === id && (news === "failing" || news === "down")) guest.failure ??= reason;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #forget(id: string, verdict: Verdict): void {
    this.#guests.delete(id);
    this.#verdicts.set(id, verdict);
    if (this.#guests.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** A host that has fallen silent is asked how its swap ended; one that is gone has left what stood. */
  async #look(): Promise<void> {
    const now = performance.now();
    for (const [id, { guest }] of this.#guests) {
      const silence = now - guest.heardAt;
      if (silence < silentMs) continue;
      const told = await this.#askVerdict(guest.from, id);
      if (told === "open") guest.heardAt = performance.now();
      else if (told === "old" || told === "new") await this.#conclude(id, told);
      else if (guest.state !== "serving") {
        if (silence > givenUpMs || told === "unknown") await this.#conclude(id, "old");
      } else if (told === "unknown") await this.#conclude(id, "new");
    }
  }

  async #conclude(id: string, verdict: "old" | "new"): Promise<void> {
    const { name } = this.#guests.get(id)?.guest.record.spec ?? {};
    this.#parts.logger.warn(`the swap to ${name} on this host was cut off; ${verdict} stands`);
    await this.end(id, verdict, this.#parts.config.limits.drainMs).catch((error: unknown) => {
      this.#parts.logger.warn(`the swap to ${name} could not be ended: ${describe(error)}`);
    });
  }

  async #askVerdict(host: string, id: string): Promise<Verdict | undefined> {
    const answer = await this.hosts?.ask(host, "move.verdict", { id }, lookMs).catch(() => undefined);
    return answer?.["stands"] as Verdict | undefined;
  }
}
