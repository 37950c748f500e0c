import { setTimeout as delay } from "node:timers/promises";
import { type State, type StateEntry, isLatticeError } from "../../lattice/index.ts";
import { type Content, decodeContent, encodeContent } from "./content.ts";

/** What one step makes of a key: what it holds now (the same object: nothing changed), and the answer. */
export interface Outcome<T> {
  readonly content: Content | undefined;
  readonly answer: T;
}

export type Step<T> = (content: Content | undefined) => Outcome<T>;

interface Waiting {
  readonly step: Step<unknown>;
  /** It never looks at what the key held. */
  readonly blind: boolean;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export interface KeyTurnsOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Attempts against writers elsewhere. */
  readonly mostAttempts: number;
  /** The error when all failed. */
  readonly exhausted: (key: string) => Error;
}

const mostPerTurn = 500;

/**
 * Changes of keys of a shared state, where each write names the revision that it has seen. Steps of this
 * process on one key take turns, and those that wait for theirs share one read and one write; a writer
 * elsewhere who was faster makes the turn begin anew.
 */
export class KeyTurns {
  readonly #state: State;
  readonly #options: KeyTurnsOptions;
  readonly #waiting = new Map<string, Waiting[]>();

  constructor(state: State, options: KeyTurnsOptions) {
    this.#state = state;
    this.#options = options;
  }

  take<T>(key: string, step: Step<T>, blind = false): Promise<T> {
    return new Promise<unknown>((resolve, reject) => {
      const one = { step, blind, resolve, reject };
      const others = this.#waiting.get(key);
      if (others) others.push(one);
      else {
        this.#waiting.set(key, [one]);
        // Those of the same turn of the event loop come along.
        queueMicrotask(() => void this.#run(key));
      }
    }) as Promise<T>;
  }

  async #run(key: string): Promise<void> {
    const waiting = this.#waiting.get(key)!;
    while (waiting.length > 0) {
      const steps = waiting.splice(0, mostPerTurn);
      try {
        await this.#turn(key, steps);
      } catch (error) {
        for (const { reject } of steps) reject(error);
      }
    }
    this.#waiting.delete(key);
  }

  async #turn(key: string, steps: readonly Waiting[]): Promise<void> {
    const blind = steps[0]?.blind === true;
    for (let attempt = 0; attempt < this.#options.mostAttempts; attempt++) {
      const entry = blind ? undefined : await this.#state.get(key);
      const before = entry && this.#standing(entry);
      const { after, settle } = runSteps(steps, before);
      if (await this.#wrote(key, entry, before, after, blind)) return settle();
      await delay(Math.random() * Math.min(2 ** attempt, 50));
    }
    throw this.#options.exhausted(key);
  }

  /** False when somebody else was faster. */
  async #wrote(
    key: string,
    entry: StateEntry | undefined,
    before: Content | undefined,
    after: Content | undefined,
    blind: boolean,
  ): Promise<boolean> {
    // What has expired is taken away by who meets it: no server does.
    if (after === before && (after !== undefined || entry === undefined) && !blind) return true;
    const expected = blind ? {} : { revision: entry?.revision ?? 0 };
    try {
      if (after !== undefined) await this.#state.put(key, encodeContent(after), expected);
      else await this.#state.delete(key, expected);
      return true;
    } catch (error) {
      if (isLatticeError(error) && error.code === "REVISION_CONFLICT") return false;
      throw error;
    }
  }

  #standing({ value }: StateEntry): Content | undefined {
    const content = decodeContent(value);
    return content.expiresAt === 0 || content.expiresAt > this.#options.now() ? content : undefined;
  }
}

function runSteps(steps: readonly Waiting[], before: Content | undefined) {
  let after = before;
  const settles = steps.map(({ step, resolve, reject }) => {
    try {
      const { content, answer } = step(after);
      after = content;
      return () => resolve(answer);
    } catch (error) {
      return () => reject(error);
    }
  });
  return { after, settle: () => settles.forEach((each) => each()) };
}
