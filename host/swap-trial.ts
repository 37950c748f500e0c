import type { ProviderSpec } from "./engine-messages.ts";
import type { Fleet } from "./fleet.ts";
import type { ProviderFigures, ProviderNews } from "./provider-questions.ts";

/** A provider that holds calls and answers none for so long hangs, in milliseconds. */
const hangMs = 2_000;
/** Longest time between two looks, in milliseconds. */
const lookMs = 500;

/**
 * The time in which a new provider must show that it is no worse than the one before. It fails when
 * more of its calls fail than are tolerated (the engines hold new calls back then, until it is
 * decided), when it is not healthy, or when it holds calls and answers none.
 */
export class Trial {
  readonly #fleet: Fleet;
  readonly #spec: ProviderSpec;
  readonly #over = Promise.withResolvers<string | undefined>();
  #timer: NodeJS.Timeout | undefined;
  #failure: string | undefined;
  #ended = false;
  #answered = -1;
  #progressAt = performance.now();

  constructor(fleet: Fleet, spec: ProviderSpec) {
    this.#fleet = fleet;
    this.#spec = spec;
  }

  /** Why it failed, or `undefined` when its time has passed or it was concluded. */
  async run(trialMs: number): Promise<string | undefined> {
    const everyMs = Math.max(10, Math.min(lookMs, trialMs / 4));
    const end = setTimeout(() => this.conclude(), trialMs);
    const look = async () => {
      const problem = await this.#look();
      if (problem !== undefined) this.#fail(problem);
      if (this.#ended || this.#failure !== undefined) return;
      this.#timer = setTimeout(() => void look(), everyMs);
    };
    void look();
    try {
      return await this.#over.promise;
    } finally {
      clearTimeout(end);
      clearTimeout(this.#timer);
    }
  }

  /** An engine says something of a provider. */
  hear({ id, news, reason }: ProviderNews): void {
    if (id === this.#spec.id && (news === "failing" || news === "down")) this.#fail(reason);
  }

  /** Why it failed, as soon as that is known. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Ends it early: what has not failed by now is kept. */
  conclude(): void {
    this.#ended = true;
    this.#over.resolve(undefined);
  }

  #fail(reason: string): void {
    if (this.#ended) return;
    this.#failure = reason;
    this.#over.resolve(reason);
  }

  async #look(): Promise<string | undefined> {
    const { id } = this.#spec;
    const health = await this.#fleet.ask<"health">({ type: "health", id });
    const unwell = health.find(({ healthy }) => !healthy);
    if (unwell) return unwell.message;
    return this.#hangs(sumFigures(await this.#fleet.ask<"figures">({ type: "figures", id })));
  }

  #hangs({ calls, inFlight }: ProviderFigures): string | undefined {
    const answered = calls - inFlight;
    const now = performance.now();
    if (answered !== this.#answered || inFlight === 0) {
      this.#answered = answered;
      this.#progressAt = now;
    }
    return now - this.#progressAt < hangMs
      ? undefined
      : `${inFlight} calls wait and none was answered for ${hangMs} ms`;
  }
}

export function sumFigures(figures: readonly ProviderFigures[]): ProviderFigures {
  const sum = (name: "calls" | "faults" | "waited" | "inFlight") =>
    figures.reduce((total, each) => total + each[name], 0);
  return { calls: sum("calls"), faults: sum("faults"), waited: sum("waited"), inFlight: sum("inFlight") };
}
