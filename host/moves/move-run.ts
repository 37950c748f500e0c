import { canonicalContract, contractOf, describe, fail, failFrom, isLatticeError } from "../../lattice/index.ts";
import type { LinkSpec } from "../engine-messages.ts";
import type { Links } from "../links.ts";
import type { HostParts } from "../parts.ts";
import type { ProviderFigures } from "../provider-questions.ts";
import { endHere, StateCopy } from "../swap-copy.ts";
import type { SwapJournal } from "../swap-journal.ts";
import { linksText, lostText } from "../swap-newcomer.ts";
import { copyWhileCallsWait } from "../swap-pause.ts";
import type { SwapOptions, SwapOutcome, SwapRecord } from "../swap-record.ts";
import { SwapStory } from "../swap-story.ts";
import { noFigures, sumFigures, Trial, type TrialLook } from "../swap-trial.ts";
import { type LinkRecord, providerHandle, type ProviderRecord } from "../wanted.ts";
import { FarProvider } from "./far-provider.ts";
import { farewell, giveAway, takeOver } from "./hand-over.ts";
import type { OtherHosts, Verdict, Verdicts } from "./other-hosts.ts";

const defaultTrialMs = 10_000;
const askDoubtEveryMs = 100;
/** Longest time to find out whether the other host has taken over, and that it may be silent on trial; milliseconds. */
const doubtMs = 5_000;
const silentMs = 3_000;
/** Longest time to bring back what a provider on trial was given, in milliseconds. */
const bringBackMs = 2_000;

export interface MoveParts extends HostParts {
  readonly book: Links;
  readonly hosts: OtherHosts;
  readonly verdicts: Verdicts;
  readonly journal: SwapJournal | undefined;
}

/** What shall run on the other host. */
export interface MoveTo {
  readonly host: string;
  readonly name: string;
  readonly reference: string;
  readonly config: Readonly<Record<string, string>>;
}

/**
 * A swap to a provider on another host. It takes over in one step there; from then on this host
 * sends on whatever still comes here, so that no call is lost while the other hosts hear of it.
 */
export class MoveRun {
  readonly trial: Trial;
  outcome: Promise<SwapOutcome> | undefined;
  readonly #parts: MoveParts;
  readonly #old: ProviderRecord;
  readonly #to: MoveTo;
  readonly #options: SwapOptions;
  readonly #story: SwapStory;
  readonly #far: FarProvider;
  #links: readonly LinkRecord[] = [];
  /** The same as they lead to the other host. */
  #given: readonly LinkSpec[] = [];
  #before = noFigures;
  #last = noFigures;
  #heardAt = performance.now();
  #copied = 0;
  #pauseMs = 0;
  #waited = 0;

  constructor(parts: MoveParts, old: ProviderRecord, to: MoveTo, options: SwapOptions) {
    this.#parts = parts;
    this.#old = old;
    this.#to = to;
    this.#options = options;
    this.#story = new SwapStory(parts.events, old, `${to.reference} on ${to.name}`, options.onStep);
    this.#far = new FarProvider(parts.hosts, this.record.id, parts.id, to);
    this.trial = new Trial("", () => this.#look());
  }

  get record(): SwapRecord {
    return this.#story.record;
  }

  /** All until calls go to the new one; what fails before leaves everything as it was. */
  async switchOver(): Promise<void> {
    const { fleet, verdicts, journal } = this.#parts;
    const { spec, annotations } = this.#old;
    const far = this.#far;
    this.#story.emit("swap_started", { copy_state: this.#options.copyState ?? false, to_host: this.#to.host });
    verdicts.set(this.record.id, "open");
    try {
      this.#before = await this.#figuresHere();
      this.#check();
      await this.#note("old");
      const links = fleet.linksOf(spec.id);
      const { name, key, contractId, linkName } = spec;
      const { reference, config } = this.#to;
      await far.stage({ name, key, contractId, linkName, reference, config, annotations, links });
      this.#story.step("started", `${far.name} runs on ${this.#to.name} beside ${name} here`);
      this.#story.step("linked", linksText(links, far.name));
      this.#story.step("healthy", `${far.name} says that it is well`);
      if (this.#options.copyState) {
        const accepted = this.#options.acceptPause ?? false;
        const { copied, since } = await copyWhileCallsWait(this.#parts, spec, far, accepted, this.#story);
        this.#copied = copied;
        this.#pauseMs = -since;
      }
      await this.#take();
    } catch (error) {
      verdicts.set(this.record.id, "old");
      await fleet.apply({ type: "release-provider", id: spec.id }).catch(() => {});
      const lost = await this.#refused(noFigures).catch(() => 0);
      await far.end("old", 0).catch(() => {});
      await journal?.close(this.record.id);
      const why = describe(error);
      this.#story.step("failed", `${spec.name} serves as before${lostText(0, lost)}: ${why}`, why);
      this.#story.emit("swap_failed", { reason: why, lost });
      throw isLatticeError(error) && error.code !== "PROVIDER_FAILED" && error.code !== "DEADLINE_EXCEEDED"
        ? error
        : failFrom(error, "SWAP_REFUSED", spec.name, this.#shown, why);
    }
    await this.#give();
  }

  /** Why the new one failed its trial, if it did. */
  async tryOut(): Promise<string | undefined> {
    const { trialMs = defaultTrialMs } = this.#options;
    await this.#untilKnown();
    if (trialMs === 0) return undefined;
    this.#heardAt = performance.now();
    this.#story.step("trial", `${this.#old.spec.name} stays ready for ${trialMs} ms`);
    return await this.trial.run(trialMs);
  }

  /** The new one stays: the old one ends what it holds and stops. */
  async finish(): Promise<SwapOutcome> {
    const { fleet, verdicts, journal, logger } = this.#parts;
    const { spec } = this.#old;
    verdicts.set(this.record.id, "new");
    if (this.#options.trialMs !== 0) this.#story.step("kept", `${this.#far.name} passed its trial`);
    const figures = await this.#figures();
    const [idle] = await Promise.all([
      fleet.ask<"idle">({ type: "idle", id: spec.id, withinMs: this.#drainMs }),
      this.#far.end("new", this.#drainMs).catch((error: unknown) => {
        logger.warn(`${this.#to.name} is not told yet that its ${this.#far.name} stays: ${describe(error)}`);
      }),
    ]);
    const unanswered = idle.reduce((sum, { left }) => sum + left, 0);
    const refused = await this.#refused(figures);
    const lost = unanswered + refused;
    await fleet.apply({ type: "drop-provider", id: spec.id, drainMs: this.#drainMs });
    fleet.objects.delete(spec.id);
    await journal?.close(this.record.id);
    this.#story.step("drained", `${spec.name} has stopped here${lostText(unanswered, refused)}`);
    const outcome = this.#outcomeOf("swapped", figures, lost);
    const { calls, waited, pauseMs } = outcome;
    this.#story.emit("swapped", { calls, waited, lost, pause_ms: pauseMs, keys_copied: this.#copied });
    return outcome;
  }

  /** The old one serves again, with what the new one was given where that can still be had. */
  async goBack(reason: string): Promise<SwapOutcome> {
    const { wanted, book, verdicts, journal, logger } = this.#parts;
    const { spec } = this.#old;
    const figures = await this.#figures();
    let text = `${spec.name} serves again here: ${reason}`;
    const kept = await this.#bringBack();
    if (this.#options.copyState && !kept) text += `; what was written to ${this.#shown} since the switch stays there`;
    // What was given away is forgotten with the next step, and who was refused for it.
    const lost = await this.#refused(figures);
    verdicts.set(this.record.id, "old");
    await this.#note("old");
    const links = this.#links.filter(({ spec: { id } }) => wanted.links.has(id));
    await takeOver(this.#parts, book, this.#old, links, undefined);
    await this.#far.end("old", this.#drainMs).catch((error: unknown) => {
      logger.warn(`${this.#to.name} is not told yet that ${spec.name} serves again: ${describe(error)}`);
    });
    // What was put or changed meanwhile is opened in the turn after this one.
    void book.providerStarted(spec).catch((error: unknown) => {
      logger.warn(`links of ${spec.name} are not renewed: ${describe(error)}`);
    });
    await journal?.close(this.record.id);
    this.#story.step("returned", text, reason);
    const outcome = this.#outcomeOf("returned", figures, lost, reason);
    this.#story.emit("swap_returned", { reason: text, calls: outcome.calls, lost });
    logger.warn(`the swap of ${spec.name} for ${this.#shown} was taken back: ${text}`);
    return outcome;
  }

  get #shown(): string {
    return `${this.#far.name || this.#to.reference} on ${this.#to.name}`;
  }

  get #drainMs(): number {
    return this.#options.drainMs ?? this.#parts.config.limits.drainMs;
  }

  /** What could not be kept is refused, with the reason, before anything starts. */
  #check(): void {
    const { spec } = this.#old;
    const refuse = (why: string) => fail("SWAP_REFUSED", spec.name, this.#shown, why);
    if (spec.source.kind === "portable")
      throw refuse("a portable provider is an actor's module: start the module there");
    if (canonicalContract(spec.contractId) === contractOf("httpserver"))
      throw refuse("its sockets are this host's, and clients know their addresses: start one there and link it");
    for (const link of this.#parts.fleet.linksOf(spec.id)) {
      if (link.placement !== undefined)
        throw refuse(`${link.actor} has configuration of its own, which only a provider of its own host takes`);
    }
  }

  /** From here on the new one stands. Whether it does is found out when the answer is lost. */
  async #take(): Promise<void> {
    const { calls, faults } = this.#before;
    const tolerated = calls === 0 ? 0 : (2 * faults) / calls;
    try {
      await this.#far.take(this.#options.trialMs === 0 ? undefined : tolerated);
    } catch (error) {
      if ((await this.#doubt()) !== "new") throw error;
    }
    this.#parts.verdicts.set(this.record.id, "new");
  }

  async #doubt(): Promise<Verdict> {
    const end = performance.now() + doubtMs;
    for (;;) {
      const told = await this.#far.verdict().catch(() => undefined);
      if (told !== undefined) return told;
      if (performance.now() > end) return "unknown";
      await pause(askDoubtEveryMs);
    }
  }

  async #give(): Promise<void> {
    const { wanted, book } = this.#parts;
    const { spec } = this.#old;
    this.#links = [...wanted.links.values()].filter((link) => link.spec.providerId === spec.id);
    this.#given = await giveAway(this.#parts, book, this.#old, { key: this.#far.key, host: this.#to.host });
    if (this.#pauseMs < 0) this.#pauseMs += performance.now();
    // No call waits for the disk: one that is killed before this asks the other host.
    await this.#note("new");
    const after = await this.#figuresHere();
    this.#waited = after.waited - this.#before.waited;
    this.#story.step("switched", `new calls go to ${this.#shown}`);
  }

  /** Acknowledged when every engine of every host sends calls there; until then, and after, they are sent on from here. */
  async #untilKnown(): Promise<void> {
    const { hosts, book } = this.#parts;
    const to = { key: this.#far.key, host: this.#to.host };
    this.#story.step("known", await farewell(this.#parts, book, hosts, this.#old, to, this.#given));
  }

  async #look(): Promise<TrialLook> {
    try {
      const { failure, settled, unwell, figures } = await this.#far.look();
      this.#heardAt = performance.now();
      this.#last = figures;
      if (settled) this.trial.conclude();
      return { problem: failure ?? unwell, figures };
    } catch (error) {
      const silent = performance.now() - this.#heardAt > silentMs;
      const problem = silent ? `${this.#to.name} does not answer: ${describe(error)}` : undefined;
      return { problem, figures: noFigures };
    }
  }

  /** Calls that the new one got since the switch wait while what they wrote is taken back. */
  async #bringBack(): Promise<boolean> {
    try {
      await this.#far.hold();
      if (!this.#options.copyState) return true;
      const copy = await StateCopy.plan(this.#far, endHere(this.#parts.fleet, this.#old.spec));
      await copy.run(bringBackMs);
      return true;
    } catch {
      return false;
    }
  }

  async #figuresHere(): Promise<ProviderFigures> {
    return sumFigures(await this.#parts.fleet.ask<"figures">({ type: "figures", id: this.#old.spec.id }));
  }

  /** Calls that were refused at the old one here since the swap began, or at the new one as its `figures` tell. */
  async #refused({ refused }: ProviderFigures): Promise<number> {
    return (await this.#figuresHere()).refused - this.#before.refused + refused;
  }

  async #figures(): Promise<ProviderFigures> {
    return await this.#far.look().then(
      ({ figures }) => figures,
      () => this.#last,
    );
  }

  #outcomeOf(outcome: "swapped" | "returned", figures: ProviderFigures, lost: number, reason?: string): SwapOutcome {
    const { key: id, name, contractId, instance } = this.#far;
    const { linkName } = this.#old.spec;
    return {
      outcome,
      ...(outcome === "swapped"
        ? { provider: { id, name, contractId, linkName, instance }, host: this.#to.name }
        : { provider: providerHandle(this.#old) }),
      ...(reason === undefined ? {} : { reason }),
      calls: figures.calls,
      waited: this.#waited + figures.waited,
      lost,
      keysCopied: this.#copied,
      pauseMs: Math.max(0, Math.round(this.#pauseMs)),
      tookMs: this.#story.tookMs,
    };
  }

  async #note(stands: "old" | "new"): Promise<void> {
    const { contractId, linkName } = this.#old.spec;
    const { id, from, to } = this.record;
    const elsewhere = { host: this.#to.host, side: "new" } as const;
    await this.#parts.journal?.note({ id, contractId, linkName, from, to, stands, elsewhere });
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
