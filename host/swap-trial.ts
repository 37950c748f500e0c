import type { Fleet } from "./fleet.ts";
import type { ProviderFigures, ProviderNews } from "./provider-questions.ts";

/** A provider that holds calls and answers none for so long hangs, in milliseconds. */
const hangMs = 2_000;
/** Longest time between two looks, in milliseconds. */
const lookMs = 500;

/** How a provider on trial does now. */
export interface TrialLook {
  /** Why it is not well, if it is not. */
  readonly problem: string | undefined;
  readonly figures: ProviderFigures;
}

/** At one that runs here. */
export async function lookHere(fleet: Fleet, id: string): Promise<TrialLook> {
  const health = await fleet.ask<"health">({ type: "health", id });
  const problem = health.find(({ healthy }) => !healthy)?.message;
  return { problem, figures: sumFigures(await fleet.ask<"figures">({ type: "figures", id })) };
}

/**
 * The time in which a new provider must show that it is no worse than the one before. It fails when
 * more of its calls fail than are tolerated (the engines hold new calls back then, until it is
 * decided), when it is not healthy, or when it holds calls and answers none.
 */
export class Trial {
  readonly #id: string;
  readonly #look: () => Promise<TrialLook>;
  readonly #over = Promise.withResolvers<string | undefined>();
  #timer: NodeJS.Timeout | undefined;
  #failure: string | undefined;
  #ended = false;
  #answered = -1;
  #progressAt = performance.now();

  /** `id` is that of the provider in its engines, `look` asks how it does. */
  constructor(id: string, look: () => Promise<TrialLook>) {
    this.#id = id;
    this.#look = look;
  }

  /** Why it failed, or `undefined` when its time has passed or it was concluded. */
  async run(trialMs: number): Promise<string | undefined> {
    const everyMs = Math.max(10, Math.min(lookMs, trialMs / 4));
    const end = setTimeout(() => this.conclude(), trialMs);
    const look = async () => {
      const { problem, figures } = await this.#look();
      const failure = problem ?? this.#hangs(figures);
      if (failure !== undefined) this.#fail(failure);
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
    if (id === this.#id && (news === "failing" || news === "down")) this.#fail(reason);
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

/** Of one that was asked nothing. */
export const noFigures: ProviderFigures = { calls: 0, faults: 0, waited: 0, refused: 0, inFlight: 0 };

export function sumFigures(figures: readonly ProviderFigures[]): ProviderFigures {
  // Another host may be of a version that does not tell all of them.
  const sum = (name: keyof ProviderFigures) => figures.reduce((total, each) => total + (each[name] ?? 0), 0);
  return {
    calls: sum("calls"),
    faults: sum("faults"),
    waited: sum("waited"),
    refused: sum("refused"),
    inFlight: sum("inFlight"),
  };
}
