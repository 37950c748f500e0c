import { fail } from "../../lattice/index.ts";
import { type LinkSpec, slotOf } from "../engine-messages.ts";
import type { Links } from "../links.ts";
import type { HostParts } from "../parts.ts";
import type { AnswerTo, ProviderQuestion } from "../provider-questions.ts";
import { endHere } from "../swap-copy.ts";
import { Newcomer } from "../swap-newcomer.ts";
import type { LinkRecord, ProviderRecord } from "../wanted.ts";
import { farewell, giveAway, takeOver } from "./hand-over.ts";
import type { OtherHosts } from "./other-hosts.ts";
import { Pieces, piecesOf, readEntries, writeEntries } from "./entry-pieces.ts";

/** Longest wait for the calls that a provider holds when its swap is taken back, in milliseconds. */
const backMs = 2_000;

/** What the host that a provider leaves sends of it. */
export interface GuestWish {
  /** Of the swap. */
  readonly id: string;
  /** N key of the host that the provider leaves. */
  readonly from: string;
  /** Name of the old one. */
  readonly name: string;
  readonly links: readonly LinkSpec[];
}

/** A provider that comes from another host: that host says each step, and is asked when it falls silent. */
export class Guest {
  readonly id: string;
  readonly from: string;
  readonly record: ProviderRecord;
  state: "staged" | "serving" | "over" = "staged";
  /** Why it failed while it was watched. */
  failure: string | undefined;
  /** Another change of it came here meanwhile: it is not given back any more. */
  settled = false;
  /** When the other host was heard last, of `performance.now()`. */
  heardAt = performance.now();
  readonly #parts: HostParts;
  readonly #book: Links;
  readonly #newcomer: Newcomer;
  readonly #wish: GuestWish;
  readonly #arriving = new Pieces();
  #leaving: { readonly pieces: readonly Uint8Array[]; at: number; readonly done: boolean } | undefined;
  #links: readonly LinkRecord[] = [];

  constructor(parts: HostParts, book: Links, record: ProviderRecord, wish: GuestWish) {
    this.id = wish.id;
    this.from = wish.from;
    this.record = record;
    this.#parts = parts;
    this.#book = book;
    this.#wish = wish;
    this.#newcomer = new Newcomer(parts, record.spec, wish.name);
  }

  /** Name of the old one. */
  get replaces(): string {
    return this.#wish.name;
  }

  /** The other host did not wait for it. */
  get ended(): boolean {
    return this.state === "over";
  }

  /** Some of its links take values of named configurations. */
  get configured(): boolean {
    return this.#links.some(({ spec }) => spec.config !== undefined);
  }

  get slot(): string {
    return slotOf(this.record.spec.id);
  }

  /** Runs, with its links open, and is well; what fails leaves nothing behind. */
  async stage(): Promise<void> {
    try {
      await this.#newcomer.start();
      this.#links = await this.#newcomer.open(this.#wish.links);
      await this.#newcomer.untilHealthy();
      if (this.ended) throw fail("STOPPED", `the swap to ${this.record.spec.name}`);
    } catch (error) {
      this.state = "over";
      await this.#newcomer.leave();
      throw error;
    }
  }

  /** What any engine says that runs it, or, of its stores, the one that is always asked. */
  async ask(question: ProviderQuestion): Promise<readonly object[]> {
    const { fleet } = this.#parts;
    if (question.type === "health" || question.type === "figures" || question.type === "idle")
      return await fleet.ask(question);
    return [await endHere(fleet, this.record.spec).ask(question)];
  }

  /** A piece of a batch of entries; with the last one the batch is put into the store. Answers how many keys it had. */
  async import(link: string, piece: Uint8Array, last: boolean): Promise<number> {
    this.#arriving.add(piece);
    if (!last) return 0;
    const entries = readEntries(this.#arriving.take());
    const answer = await this.#end<"import">({ type: "import", id: this.record.spec.id, link, entries });
    return answer.count;
  }

  /** The next piece of what its store holds; `last` ends a batch, `done` all of it. */
  async export(
    link: string,
    exportId: string,
    mostBytes: number,
    end: boolean,
  ): Promise<{ readonly piece: Uint8Array; readonly last: boolean; readonly done: boolean }> {
    if (!this.#leaving) {
      const { id } = this.record.spec;
      const { entries, done } = await this.#end<"export">({ type: "export", id, link, exportId, end });
      this.#leaving = { pieces: piecesOf(writeEntries(entries), mostBytes), at: 0, done };
    }
    const { pieces, at, done } = this.#leaving;
    const last = at === pieces.length - 1;
    this.#leaving.at++;
    if (last) this.#leaving = undefined;
    return { piece: pieces[at]!, last, done };
  }

  /** It serves from now on, here and for the whole lattice. May be asked twice. */
  async take(tolerated: number | undefined): Promise<void> {
    if (this.state !== "staged") return;
    await takeOver(this.#parts, this.#book, this.record, this.#links, tolerated);
    this.state = "serving";
  }

  /** New calls to it wait; those under way end. */
  async hold(): Promise<void> {
    const { fleet } = this.#parts;
    const { id } = this.record.spec;
    await fleet.apply({ type: "hold-provider", id });
    await fleet.ask<"idle">({ type: "idle", id, withinMs: backMs });
  }

  /** It stays: nobody watches it any more. */
  async keep(): Promise<void> {
    this.state = "over";
    await this.#parts.fleet.apply({ type: "release-provider", id: this.record.spec.id }).catch(() => {});
  }

  /** The old one serves again, under `key`; the new one ends. */
  async giveBack(key: string, drainMs: number, hosts: OtherHosts | undefined): Promise<void> {
    const { id } = this.record.spec;
    const { fleet } = this.#parts;
    if (this.state === "serving") {
      const to = { key, host: this.from };
      const links = await giveAway(this.#parts, this.#book, this.record, to);
      if (hosts) await farewell(this.#parts, this.#book, hosts, this.record, to, links);
      await fleet.ask<"idle">({ type: "idle", id, withinMs: drainMs });
    }
    this.state = "over";
    await fleet.apply({ type: "drop-provider", id, drainMs }).catch(() => {});
    fleet.objects.delete(id);
  }

  #end<T extends ProviderQuestion["type"]>(question: Extract<ProviderQuestion, { type: T }>): Promise<AnswerTo<T>> {
    return endHere(this.#parts.fleet, this.record.spec).ask<T>(question);
  }
}
