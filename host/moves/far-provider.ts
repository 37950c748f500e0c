import { fail } from "../../lattice/index.ts";
import type { LinkSpec } from "../engine-messages.ts";
import type { AnswerTo, ProviderFigures, ProviderQuestion } from "../provider-questions.ts";
import type { CopyEnd } from "../swap-copy.ts";
import { sumFigures } from "../swap-trial.ts";
import { Pieces, piecesOf, readEntries, writeEntries } from "./entry-pieces.ts";
import type { OtherHosts, Verdict } from "./other-hosts.ts";

/** Longest wait for one answer of the other host, in milliseconds; starting and looking are quicker or fail. */
const stepMs = 15_000;
const lookMs = 2_000;

export interface FarStage {
  readonly name: string;
  readonly key: string;
  readonly contractId: string;
  readonly linkName: string;
  readonly reference: string;
  readonly config: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly links: readonly LinkSpec[];
}

/** How a provider on another host does. */
export interface FarLook {
  readonly failure: string | undefined;
  readonly settled: boolean;
  readonly unwell: string | undefined;
  readonly figures: ProviderFigures;
}

/** A provider on another host that takes over from one here, as the swap sees it. */
export class FarProvider implements CopyEnd {
  readonly id: string;
  readonly host: string;
  readonly hostName: string;
  name = "";
  key = "";
  contractId = "";
  reference = "";
  instance = "";
  readonly #own: string;
  readonly #hosts: OtherHosts;

  /** `id` is that of the swap, `own` the N key of this host. */
  constructor(hosts: OtherHosts, id: string, own: string, host: { readonly host: string; readonly name: string }) {
    this.#hosts = hosts;
    this.id = id;
    this.#own = own;
    this.host = host.host;
    this.hostName = host.name;
  }

  /** It runs, has opened the links and is well. @throws LatticeError what that meets there. */
  async stage(wish: FarStage): Promise<void> {
    const { links, ...rest } = wish;
    const sent = links.map(({ id, actor, contractId, linkName, values, config, providerLinkName }) => ({
      id,
      actor,
      contractId,
      linkName,
      values,
      ...(config === undefined ? {} : { config }),
      ...(providerLinkName === undefined ? {} : { providerLinkName }),
    }));
    const { provider } = await this.#ask("stage", { ...rest, from: this.#own, links: sent });
    const told = provider as { id: string; name: string; contract_id: string; reference: string; instance: string };
    this.key = told.id;
    this.name = told.name;
    this.contractId = told.contract_id;
    this.reference = told.reference;
    this.instance = told.instance;
  }

  async ask<T extends ProviderQuestion["type"]>(
    question: Extract<ProviderQuestion, { type: T }>,
  ): Promise<AnswerTo<T>> {
    const asked: ProviderQuestion = question;
    if (asked.type === "import") return (await this.#import(asked)) as AnswerTo<T>;
    if (asked.type === "export") return (await this.#export(asked)) as AnswerTo<T>;
    const { type, id: _id, ...rest } = asked;
    const { answers } = await this.#ask("ask", { question: { type, ...rest } });
    const [first] = answers as AnswerTo<T>[];
    if (!first) throw fail("ENGINE_LOST", this.hostName);
    return first;
  }

  /**
   * It serves from now on.
   * @throws LatticeError SWAP_REFUSED when it is certain that it does not; any other when nobody knows.
   */
  async take(tolerated: number | undefined): Promise<void> {
    await this.#ask("take", tolerated === undefined ? {} : { tolerated: String(tolerated) });
  }

  async hold(): Promise<void> {
    await this.#ask("hold", {});
  }

  async end(verdict: "old" | "new", drainMs: number): Promise<void> {
    await this.#ask("end", { verdict, drainMs });
  }

  /** What stands by what that host knows. */
  async verdict(): Promise<Verdict> {
    return (await this.#ask("verdict", {}, lookMs))["stands"] as Verdict;
  }

  async look(): Promise<FarLook> {
    const answer = await this.#ask("look", {}, lookMs);
    const health = answer["health"] as { healthy: boolean; message: string }[];
    return {
      failure: answer["failure"] as string | undefined,
      settled: answer["settled"] === true,
      unwell: health.find(({ healthy }) => !healthy)?.message,
      figures: sumFigures(answer["figures"] as ProviderFigures[]),
    };
  }

  async #import({ link, entries }: Extract<ProviderQuestion, { type: "import" }>): Promise<AnswerTo<"import">> {
    const pieces = piecesOf(writeEntries(entries), this.#hosts.pieceBytes);
    let count = 0;
    for (const [at, piece] of pieces.entries()) {
      const last = at === pieces.length - 1;
      const answer = await this.#ask("import", { link, piece: Buffer.from(piece).toString("base64"), last });
      count = Number(answer["count"]);
    }
    return { answer: "imported", count };
  }

  async #export({
    link,
    exportId,
    end = false,
  }: Extract<ProviderQuestion, { type: "export" }>): Promise<AnswerTo<"export">> {
    const arriving = new Pieces();
    for (;;) {
      const answer = await this.#ask("export", { link, exportId, end });
      arriving.add(Buffer.from(String(answer["piece"]), "base64"));
      if (answer["last"] === true)
        return { answer: "entries", entries: readEntries(arriving.take()), done: answer["done"] === true };
    }
  }

  #ask(step: string, params: object, timeoutMs: number = stepMs): Promise<Readonly<Record<string, unknown>>> {
    return this.#hosts.ask(this.host, `move.${step}`, { id: this.id, ...params }, timeoutMs);
  }
}
