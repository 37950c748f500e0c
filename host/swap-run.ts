import { type Provider, withoutProcess } from "../capabilities/index.ts";
import { canonicalContract, contractOf, describe, fail, failFrom, isLatticeError } from "../lattice/index.ts";
import { callerPlace, type ProviderSpec, slotOf } from "./engine-messages.ts";
import { aboutProvider, aboutStoppedProvider } from "./event-data.ts";
import type { Links } from "./links.ts";
import type { OtherHosts } from "./moves/other-hosts.ts";
import { knownText, untilKnown } from "./moves/way.ts";
import type { HostParts } from "./parts.ts";
import type { ProviderFigures } from "./provider-questions.ts";
import { type Providers, referenceOf } from "./providers.ts";
import { endHere, StateCopy } from "./swap-copy.ts";
import type { SwapJournal } from "./swap-journal.ts";
import { linksText, linkText, lostText, Newcomer } from "./swap-newcomer.ts";
import { copyWhileCallsWait } from "./swap-pause.ts";
import type { SwapOptions, SwapOutcome, SwapRecord } from "./swap-record.ts";
import { swapReference } from "./swap-reference.ts";
import { SwapStory } from "./swap-story.ts";
import { lookHere, noFigures, sumFigures, Trial } from "./swap-trial.ts";
import { type LinkRecord, providerHandle, type ProviderRecord } from "./wanted.ts";

const defaultTrialMs = 10_000;
/** Longest time to bring back what a provider on trial was given, in milliseconds. */
const bringBackMs = 2_000;
/** Longest wait until every other host calls the one that serves now; milliseconds. */
const knownMs = 10_000;

/** One swap, from the start of the new provider to the stop of the one that is not needed any more. */
export class SwapRun {
  readonly trial: Trial;
  outcome: Promise<SwapOutcome> | undefined;
  readonly #parts: HostParts;
  readonly #book: Links;
  readonly #journal: SwapJournal | undefined;
  readonly #hosts: OtherHosts | undefined;
  readonly #old: ProviderRecord;
  readonly #new: ProviderRecord;
  readonly #options: SwapOptions;
  readonly #story: SwapStory;
  /** Links as they were when calls went over. */
  #links: readonly LinkRecord[] = [];
  /** Figures of the old one before any call waited. */
  #before: ProviderFigures = noFigures;
  #copied = 0;
  #pauseMs = 0;
  #waited = 0;

  constructor(
    parts: HostParts,
    links: Links,
    providers: Providers,
    old: ProviderRecord,
    next: Provider | string,
    options: SwapOptions,
    journal: SwapJournal | undefined,
    hosts: OtherHosts | undefined,
  ) {
    this.#parts = parts;
    this.#book = links;
    this.#journal = journal;
    this.#hosts = hosts;
    this.#old = old;
    this.#options = options;
    const { linkName, source, config: held, contractId } = old.spec;
    const id = `${slotOf(old.spec.id)}.${generationOf(old.spec) + 1}`;
    const asked = typeof next === "string" ? swapReference(next, contractId) : { provider: next, config: {} };
    const same =
      source.kind === "builtin" &&
      typeof asked.provider === "string" &&
      withoutProcess(source.reference) === withoutProcess(asked.provider);
    const config = { ...(same ? held : {}), ...asked.config, ...options.config };
    const spec = providers.describe(asked.provider, { linkName, config }, id);
    this.#new = {
      spec,
      annotations: old.annotations,
      reference: options.reference ?? referenceOf(spec),
      startedAt: Date.now(),
    };
    this.trial = new Trial(spec.id, () => lookHere(parts.fleet, spec.id));
    this.#story = new SwapStory(parts.events, old, this.#new.reference, options.onStep);
  }

  get record(): SwapRecord {
    return this.#story.record;
  }

  /** All until calls go to the new one; what fails before leaves everything as it was. */
  async switchOver(): Promise<void> {
    const { fleet } = this.#parts;
    const [from, to] = [this.#old.spec, this.#new.spec];
    const newcomer = new Newcomer(this.#parts, to, from.name);
    this.#story.emit("swap_started", { copy_state: this.#options.copyState ?? false });
    try {
      this.#before = await this.#figures(this.#old);
      this.#check();
      await this.#note("old");
      await newcomer.start();
      if (this.#renames) this.#parts.wanted.beside.set(this.#new, from.key);
      this.#story.step("started", `${to.name} runs beside ${from.name}`);
      // Other hosts know it by its key before anybody calls it, and before it calls anybody.
      if (this.#renames) await this.#knows(to, []);
      const links = await newcomer.open(fleet.linksOf(from.id));
      this.#story.step("linked", linksText(links, to.name));
      await newcomer.untilHealthy();
      this.#story.step("healthy", `${to.name} says that it is well`);
      if (this.#options.copyState) await this.#copy();
      await this.#switch(links);
    } catch (error) {
      await fleet.apply({ type: "release-provider", id: from.id }).catch(() => {});
      const lost = await this.#refused().catch(() => 0);
      this.#parts.wanted.beside.delete(this.#new);
      await newcomer.leave();
      await this.#journal?.close(this.record.id);
      const why = describe(error);
      this.#story.step("failed", `${from.name} serves as before${lostText(0, lost)}: ${why}`, why);
      this.#story.emit("swap_failed", { reason: why, lost });
      throw isLatticeError(error) && error.code !== "PROVIDER_FAILED" && error.code !== "DEADLINE_EXCEEDED"
        ? error
        : failFrom(error, "SWAP_REFUSED", from.name, to.name, why);
    }
  }

  /** Why the new one failed its trial, if it did. */
  async tryOut(): Promise<string | undefined> {
    const { trialMs = defaultTrialMs } = this.#options;
    if (this.#renames) await this.#untilKnown(this.#new.spec);
    if (trialMs === 0) return undefined;
    this.#story.step("trial", `${this.#old.spec.name} stays ready for ${trialMs} ms`);
    return await this.trial.run(trialMs);
  }

  /** The new one stays: the old one ends what it holds and stops. */
  async finish(): Promise<SwapOutcome> {
    const { fleet } = this.#parts;
    const [from, to] = [this.#old.spec, this.#new.spec];
    await fleet.apply({ type: "release-provider", id: to.id }).catch(() => {});
    if (this.#options.trialMs !== 0) this.#story.step("kept", `${to.name} passed its trial`);
    const figures = await this.#figures();
    const refused = await this.#refused();
    const left = await this.#retire(this.#old);
    const lost = left + refused;
    this.#story.step("drained", `${from.name} has stopped${lostText(left, refused)}`);
    await this.#journal?.close(this.record.id);
    const outcome = this.#outcome("swapped", this.#new, figures, lost);
    const { calls, waited, pauseMs } = outcome;
    this.#story.emit("swapped", { calls, waited, lost, pause_ms: pauseMs, keys_copied: this.#copied });
    return outcome;
  }

  /** The old one serves again, with what the new one was given where that can still be had. */
  async goBack(reason: string): Promise<SwapOutcome> {
    const { fleet, wanted, logger } = this.#parts;
    const [from, to] = [this.#old.spec, this.#new.spec];
    let text = `${from.name} serves again: ${reason}`;
    if (this.#options.copyState) {
      const kept = await this.#bringBack();
      if (!kept) text += `; what was written to ${to.name} since the switch stays there`;
    }
    await this.#note("old");
    const links = fleet.linksOf(to.id).map((link) => ({ ...link, provider: from.key, providerId: from.id }));
    for (const link of links) {
      const before = this.#links.find(({ spec }) => spec.id === link.id);
      if (before && !before.spec.config && sameTexts(before.spec.values, wanted.links.get(link.id)?.spec.values ?? {}))
        continue;
      await fleet.apply({ type: "stage-link", link }).catch((error: unknown) => {
        logger.warn(`${from.name} keeps the former values of ${linkText(this.#parts, link)}: ${describe(error)}`);
      });
    }
    await fleet.apply({ type: "swap-provider", from: to.id, to: from.id, links });
    wanted.providers.delete(to.id);
    wanted.providers.set(from.id, this.#old);
    this.#other(this.#old, this.#new);
    await this.#book.moved(to, from, new Map(this.#links.map(({ spec, urls }) => [spec.id, urls])));
    if (this.#renames) await this.#untilKnown(from);
    const figures = await this.#figures();
    const refused = await this.#refused();
    const lost = refused + (await this.#retire(this.#new));
    await this.#journal?.close(this.record.id);
    this.#story.step("returned", text, reason);
    const outcome = this.#outcome("returned", this.#old, figures, lost, reason);
    this.#story.emit("swap_returned", { reason: text, calls: outcome.calls, lost });
    logger.warn(`the swap of ${from.name} for ${to.name} was taken back: ${text}`);
    return outcome;
  }

  #check(): void {
    const [from, to] = [this.#old.spec, this.#new.spec];
    const refuse = (why: string) => fail("SWAP_REFUSED", from.name, to.name, why);
    if (canonicalContract(from.contractId) !== canonicalContract(to.contractId))
      throw refuse(`it provides ${to.contractId}, not ${from.contractId}`);
    if (this.#leavesListeners)
      throw refuse(
        "the one listens in the host's engines and the other in its own thread, and no address can be open in both: start the host with --engines 0, or stop the one and start the other",
      );
    for (const { spec } of this.#parts.wanted.providers.values())
      if (spec !== from && spec.key === to.key && spec.linkName === to.linkName)
        throw fail("PROVIDER_CONFLICT", to.contractId, to.linkName, spec.name);
  }

  /** A socket that stays open belongs to the engine that opened it. */
  get #leavesListeners(): boolean {
    const [from, to] = [this.#old.spec, this.#new.spec];
    const inThread = ({ places }: ProviderSpec) => places.includes(callerPlace);
    if (canonicalContract(from.contractId) !== contractOf("httpserver") || inThread(from) === inThread(to))
      return false;
    return this.#parts.fleet.linksOf(from.id).length > 0;
  }

  /** From here on calls wait; they go on with the switch, or with the end of the swap. */
  async #copy(): Promise<void> {
    const { fleet } = this.#parts;
    const end = endHere(fleet, this.#new.spec);
    const accepted = this.#options.acceptPause ?? false;
    const { copied, since } = await copyWhileCallsWait(this.#parts, this.#old.spec, end, accepted, this.#story);
    this.#copied = copied;
    this.#pauseMs = -since;
  }

  async #switch(links: readonly LinkRecord[]): Promise<void> {
    const { fleet, wanted, events } = this.#parts;
    const [from, to] = [this.#old.spec, this.#new.spec];
    const { calls, faults } = this.#before;
    const tolerated = calls === 0 ? 0 : (2 * faults) / calls;
    const watched = this.#options.trialMs === 0 ? {} : { tolerated };
    await this.#note("new");
    this.#links = links.map((link) => wanted.links.get(link.spec.id) ?? link);
    await fleet.apply({
      type: "swap-provider",
      from: from.id,
      to: to.id,
      links: links.map(({ spec }) => spec),
      ...watched,
    });
    wanted.providers.delete(from.id);
    wanted.providers.set(to.id, this.#new);
    this.#other(this.#new, this.#old);
    if (this.#pauseMs < 0) this.#pauseMs += performance.now();
    const after = await this.#figures(this.#old);
    this.#waited = after.waited - this.#before.waited;
    await this.#book.moved(from, to, new Map(links.map(({ spec, urls }) => [spec.id, urls])));
    this.#story.step("switched", `new calls go to ${to.name}`);
    if (!this.#renames) return;
    events.emit("provider_started", aboutProvider(this.#parts.id, this.#new));
  }

  /** Acknowledged when every engine of every other host calls it by its key; who calls by the other key is served too. */
  async #untilKnown(spec: ProviderSpec): Promise<void> {
    const { asked, late } = await this.#knows(
      spec,
      this.#links.filter((link) => link.spec.placement === undefined).map((link) => link.spec.id),
    );
    if (asked.length > 0) this.#story.step("known", knownText(asked, late));
  }

  async #knows({ key, linkName }: ProviderSpec, links: readonly string[]) {
    const hosts = this.#hosts;
    const asked = hosts?.peers() ?? [];
    const way = { key, linkName, host: this.#parts.id, links };
    return { asked, late: hosts ? await untilKnown(hosts, asked, way, knownMs) : [] };
  }

  /** Whoever calls by its key finds the one here too that does not serve any more, or not yet. */
  #other(serves: ProviderRecord, other: ProviderRecord): void {
    const { beside } = this.#parts.wanted;
    beside.delete(serves);
    if (this.#renames) beside.set(other, serves.spec.key);
  }

  /** The new one has another key, so that who calls it must hear of it. */
  get #renames(): boolean {
    return this.#old.spec.key !== this.#new.spec.key;
  }

  /** Calls that the new one got since the switch wait while what they wrote is taken back. */
  async #bringBack(): Promise<boolean> {
    const { fleet } = this.#parts;
    const [from, to] = [this.#old.spec, this.#new.spec];
    try {
      await fleet.apply({ type: "hold-provider", id: to.id });
      await fleet.ask<"idle">({ type: "idle", id: to.id, withinMs: bringBackMs });
      const copy = await StateCopy.plan(endHere(fleet, to), endHere(fleet, from));
      await copy.run(bringBackMs);
      return true;
    } catch {
      return false;
    }
  }

  /** Ends one that serves no more; answers how many calls it had not answered. */
  async #retire(record: ProviderRecord): Promise<number> {
    const { spec } = record;
    const { id } = spec;
    const { fleet, events, config, wanted } = this.#parts;
    const drainMs = this.#options.drainMs ?? config.limits.drainMs;
    const left = await fleet.ask<"idle">({ type: "idle", id, withinMs: drainMs });
    await fleet.apply({ type: "drop-provider", id, drainMs });
    fleet.objects.delete(id);
    wanted.beside.delete(record);
    // Of a provider that goes on under the same key nothing has stopped.
    if (this.#renames)
      events.emit("provider_stopped", {
        ...aboutStoppedProvider(this.#parts.id, spec, this.#old.annotations),
        reason: "swap",
      });
    return left.reduce((sum, each) => sum + each.left, 0);
  }

  async #figures({ spec }: ProviderRecord = this.#new): Promise<ProviderFigures> {
    return sumFigures(await this.#parts.fleet.ask<"figures">({ type: "figures", id: spec.id }));
  }

  /** Calls of this host and of others that were refused at either of both since the swap began. */
  async #refused(): Promise<number> {
    const [old, next] = [await this.#figures(this.#old), await this.#figures()];
    return old.refused + next.refused - this.#before.refused;
  }

  #outcome(
    outcome: "swapped" | "returned",
    record: ProviderRecord,
    figures: ProviderFigures,
    lost: number,
    reason?: string,
  ): SwapOutcome {
    return {
      outcome,
      provider: providerHandle(record),
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
    const journal = this.#journal;
    if (!journal) return;
    const providers = { old: await journal.describe(this.#old), new: await journal.describe(this.#new) };
    await journal.note({ id, contractId, linkName, from, to, stands, providers });
  }
}

/** 1 for one that was started, one more for each swap. */
function generationOf({ id }: ProviderSpec): number {
  return Number(id.split(".")[1] ?? 1);
}

function sameTexts(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
