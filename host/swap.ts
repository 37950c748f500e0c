import { randomUUID } from "node:crypto";
import { type Provider, withoutProcess } from "../capabilities/index.ts";
import { fail } from "../lattice/index.ts";
import { isArchiveReference } from "./archives/open-archive.ts";
import { slotOf } from "./engine-messages.ts";
import type { Links } from "./links.ts";
import { Guests } from "./moves/guests.ts";
import { MoveRun } from "./moves/move-run.ts";
import { type OtherHosts, type Verdict, Verdicts } from "./moves/other-hosts.ts";
import type { HostParts } from "./parts.ts";
import type { ProviderNews } from "./provider-questions.ts";
import type { Providers } from "./providers.ts";
import type { InterruptedSwap, SwapJournal } from "./swap-journal.ts";
import type { SwapOptions, SwapOutcome, SwapRecord } from "./swap-record.ts";
import { SwapRun } from "./swap-run.ts";
import { swapReference } from "./swap-reference.ts";
import type { ProviderHandle, ProviderRecord } from "./wanted.ts";

/** Swaps remembered for `describe`. */
const mostRecords = 20;

/** Longest wait for the other host of a swap that was cut off, in milliseconds. */
const verdictMs = 3_000;

/** The swaps of one host: another provider takes over the links of one that runs, under load. */
export class Swaps {
  readonly records: SwapRecord[] = [];
  readonly #parts: HostParts;
  readonly #links: Links;
  readonly #providers: Providers;
  /** By slot: swaps that have switched and whose old provider is still there. */
  readonly #open = new Map<string, SwapRun | MoveRun>();
  /** Providers that come here by a swap of another host. */
  readonly guests: Guests;
  readonly #verdicts = new Verdicts();
  #journal: SwapJournal | undefined;
  #hosts: OtherHosts | undefined;

  constructor(
    parts: HostParts,
    links: Links,
    providers: (beforeStop: (slot: string) => Promise<unknown> | undefined) => Providers,
  ) {
    this.#parts = parts;
    this.#links = links;
    this.#providers = providers((slot) => this.settle(slot));
    this.guests = new Guests(parts, links, this.#verdicts, (provider, wish) =>
      this.#providers.describe(provider, wish, randomUUID()),
    );
  }

  /** Swaps under way are on the disk from now on. */
  keep(journal: SwapJournal): void {
    this.#journal = journal;
    this.guests.journal = journal;
  }

  /** Swaps with other hosts of the lattice are possible from now on. */
  join(hosts: OtherHosts): void {
    this.#hosts = hosts;
    this.guests.hosts = hosts;
  }

  /** Whether a swap of this provider is not over yet, here or on the host that it comes from. */
  isOpen(slot: string): boolean {
    return this.#open.has(slot) || this.guests.isHere(slot);
  }

  get providers(): Providers {
    return this.#providers;
  }

  /**
   * Puts `next` in the place of a running provider. Until the switch nothing has changed; after it,
   * the old one stays until the trial is over. Without `next` the same goes to another host.
   * @throws LatticeError SWAP_REFUSED with all problems, SWAP_PAUSE, PROVIDER_ABSENT, PROVIDER_CONFLICT, POLICY_REFUSED, HOST_ABSENT.
   */
  async swap(
    target: ProviderHandle | string,
    next: Provider | string | undefined,
    options: SwapOptions,
  ): Promise<SwapOutcome> {
    const { wanted, turns } = this.#parts;
    const slot = slotOf(wanted.findProvider(target).spec.id);
    const run = await turns.take(slot, async () => {
      await this.settle(slot);
      const made = this.#run(wanted.findProvider(slot), next, options);
      this.records.push(made.record);
      this.records.splice(0, this.records.length - mostRecords);
      await made.switchOver();
      this.#open.set(slot, made);
      return made;
    });
    const reason = await run.tryOut();
    return turns.take(slot, () => this.#end(slot, run, reason));
  }

  /** Who stands after a swap with another host, as far as this one knows. */
  verdict(id: string): Verdict {
    const known = this.#verdicts.get(id);
    return known === "unknown" ? this.guests.verdict(id) : known;
  }

  /** The same for one that was cut off with the last process: the other host may know better. */
  async verdictOf({ id, stands, elsewhere }: InterruptedSwap): Promise<"old" | "new"> {
    const answer =
      elsewhere && (await this.#hosts?.ask(elsewhere.host, "move.verdict", { id }, verdictMs).catch(() => {}));
    const told = answer?.["stands"];
    const verdict = told === "old" || told === "new" ? told : stands;
    if (elsewhere) this.#verdicts.set(id, verdict);
    return verdict;
  }

  #run(old: ProviderRecord, next: Provider | string | undefined, options: SwapOptions): SwapRun | MoveRun {
    const { toHost } = options;
    const { name, source } = old.spec;
    if (source.kind === "portable")
      throw fail(
        "SWAP_REFUSED",
        name,
        "another",
        "a portable provider is an actor's module: lattice update replaces it",
      );
    const parts = this.#parts;
    if (toHost !== undefined && toHost !== parts.id) return this.#move(old, next, toHost, options);
    if (next === undefined) throw fail("SWAP_REFUSED", name, name, "it runs there already");
    return new SwapRun(parts, this.#links, this.#providers, old, next, options, this.#journal, this.#hosts);
  }

  #move(old: ProviderRecord, next: Provider | string | undefined, toHost: string, options: SwapOptions): MoveRun {
    const { spec } = old;
    const refuse = (why: string) => fail("SWAP_REFUSED", spec.name, `one on ${toHost}`, why);
    const hosts = this.#hosts;
    if (!hosts) throw refuse("this host is in no lattice");
    const peers = hosts.peers();
    const exact = peers.filter(({ host, name }) => host === toHost || name === toHost);
    const [peer, ...more] = exact.length > 0 ? exact : peers.filter(({ host }) => host.startsWith(toHost));
    if (!peer || more.length > 0) throw fail("HOST_ABSENT", toHost);
    if (peer.draining) throw refuse("that host takes no new work");
    if (next !== undefined && typeof next !== "string")
      throw refuse("an object cannot leave its process: name a reference");
    const held = spec.source.kind === "builtin" ? spec.source.reference : old.reference;
    const asked = next === undefined ? held : next;
    if (next === undefined && spec.source.kind !== "builtin" && !isArchiveReference(asked))
      throw refuse(`${spec.name} was given to this host by its program: name what shall run there`);
    const own = isArchiveReference(asked) ? undefined : swapReference(asked, spec.contractId);
    const same = own !== undefined && withoutProcess(own.provider) === withoutProcess(held);
    const config = { ...(same ? spec.config : {}), ...own?.config, ...options.config };
    const to = { host: peer.host, name: peer.name, reference: own?.provider ?? asked, config };
    const parts = { ...this.#parts, book: this.#links, hosts, verdicts: this.#verdicts, journal: this.#journal };
    return new MoveRun(parts, old, to, options);
  }

  /** In the turn of `slot`: ends the trial that is under way there, if one is, and keeps the new provider. */
  settle(slot: string): Promise<unknown> | undefined {
    const run = this.#open.get(slot);
    return run ? this.#end(slot, run, undefined) : this.guests.settle(slot);
  }

  /** An engine says something of a provider. */
  hear(news: ProviderNews): void {
    for (const run of this.#open.values()) run.trial.hear(news);
    this.guests.hear(news);
  }

  /** Ends all trials, for a host that stops. */
  stop(): void {
    for (const run of this.#open.values()) run.trial.conclude();
    this.guests.stop();
  }

  async #end(slot: string, run: SwapRun | MoveRun, reason: string | undefined): Promise<SwapOutcome> {
    if (this.#open.get(slot) === run) {
      this.#open.delete(slot);
      run.trial.conclude();
      // It may have failed while another change of this provider was before it in the queue.
      const failure = reason ?? run.trial.failure;
      run.outcome = failure === undefined ? run.finish() : run.goBack(failure);
    }
    return await run.outcome!;
  }
}
