import { describe, fail, memoryState, type State, type StateChange, type StateWatch } from "../lattice/index.ts";
import { sizeProblem } from "./stored-links.ts";

type Values = Readonly<Record<string, string>>;

/** Values under a name that several links share. */
export interface NamedConfiguration {
  readonly name: string;
  readonly values: Values;
  readonly revision: number;
}

const prefix = "CONFIG_";
const nameForm = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
/** Waits between attempts to reach a state that is away, in milliseconds. */
const shortestWaitMs = 250;
const longestWaitMs = 5_000;

/**
 * Named configurations, followed as anybody changes them: kept in a state of this host's own while it
 * is alone, in the lattice's after it has joined one. Secrets stand here as references, as in links.
 */
export class Configurations {
  readonly #onChange: (name: string) => void;
  readonly #warn: (text: string) => void;
  readonly #known = new Map<string, NamedConfiguration>();
  #state: State = memoryState();
  #watch: StateWatch | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  /** `onChange` is told each name that was put with other values or deleted, by anybody. */
  constructor(onChange: (name: string) => void, warn: (text: string) => void) {
    this.#onChange = onChange;
    this.#warn = warn;
  }

  /** In the order of their names. */
  get all(): readonly NamedConfiguration[] {
    return [...this.#known.values()].toSorted((a, b) => a.name.localeCompare(b.name));
  }

  find(name: string): NamedConfiguration | undefined {
    return this.#known.get(name);
  }

  /** @throws LatticeError CONFIGURATION_ABSENT. */
  get(name: string): NamedConfiguration {
    const found = this.#known.get(name);
    if (!found) throw fail("CONFIGURATION_ABSENT", name);
    return found;
  }

  /**
   * Replaces all values under a name. The same values again are no change.
   * @throws LatticeError CONFIGURATION_INVALID for a name or values that no link could take; STATE_UNAVAILABLE.
   */
  async put(name: string, values: Values): Promise<NamedConfiguration> {
    checkName(name);
    const problem = sizeProblem(values);
    if (problem !== undefined) throw fail("CONFIGURATION_INVALID", name, problem);
    const held = this.#known.get(name);
    if (held && same(held.values, values)) return held;
    const revision = await this.#state.put(prefix + name, Buffer.from(JSON.stringify(values)));
    this.#take({ kind: "put", key: prefix + name, value: Buffer.from(JSON.stringify(values)), revision });
    return this.get(name);
  }

  /** An absent one stays absent. @throws LatticeError STATE_UNAVAILABLE. */
  async delete(name: string): Promise<void> {
    checkName(name);
    const { revision = 0 } = this.#known.get(name) ?? {};
    await this.#state.delete(prefix + name);
    this.#take({ kind: "delete", key: prefix + name, revision: revision + 1 });
  }

  /**
   * Follows `state` from now on; what was put before goes there unless that name stands there already.
   * Resolves when what stands is known, or, while the state is away, at once: it is tried again for ever.
   */
  async open(state: State): Promise<void> {
    const before = this.all;
    this.#watch?.stop();
    this.#state = state;
    this.#known.clear();
    await this.#follow(before, shortestWaitMs);
  }

  /** Follows no more. May be called twice. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#watch?.stop();
  }

  async #follow(before: readonly NamedConfiguration[], waitMs: number): Promise<void> {
    if (this.#closed) return;
    try {
      const watch = await this.#state.watch("*", (change) => this.#take(change));
      if (this.#closed) return watch.stop();
      this.#watch = watch;
      for (const { name, values } of before) if (!this.#known.has(name)) await this.put(name, values);
    } catch (error) {
      if (this.#closed) return;
      if (waitMs === shortestWaitMs) this.#warn(`configurations of the lattice are not known yet: ${describe(error)}`);
      this.#watch?.stop();
      const later = Math.min(waitMs * 2, longestWaitMs) * (0.5 + Math.random() / 2);
      this.#retry = setTimeout(() => void this.#follow(before, later), waitMs).unref();
    }
  }

  #take(change: StateChange): void {
    const { key, revision } = change;
    const name = key.slice(prefix.length);
    if (!key.startsWith(prefix) || !nameForm.test(name)) return;
    const held = this.#known.get(name);
    if (held && revision <= held.revision) return;
    const values = change.kind === "put" ? readValues(change.value) : undefined;
    if (change.kind === "put" && !values) return this.#warn(`configuration ${name} is skipped: it holds no texts`);
    if (values) this.#known.set(name, { name, values, revision });
    else if (!this.#known.delete(name)) return;
    if (!held || !values || !same(held.values, values)) this.#onChange(name);
  }
}

function checkName(name: string): void {
  if (!nameForm.test(name))
    throw fail("CONFIGURATION_INVALID", name.slice(0, 64), "a name is 1 to 64 letters, digits, - and _");
}

function readValues(bytes: Uint8Array): Values | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    const isTexts = Object.values(value).every((each) => typeof each === "string");
    return isTexts && sizeProblem(value as Values) === undefined ? (value as Values) : undefined;
  } catch {
    return undefined;
  }
}

function same(one: Values, other: Values): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}
