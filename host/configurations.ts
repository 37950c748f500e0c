import { fail, type State, type StateChange } from "../lattice/index.ts";
import { StateFollower } from "./state-follower.ts";
import { sizeProblem } from "./stored-links.ts";

type Values = Readonly<Record<string, string>>;

/** Values under a name that several links share. */
export interface NamedConfiguration {
  readonly name: string;
  readonly values: Values;
  readonly revision: number;
}

interface ConfigurationParts {
  /** Told each name that was put with other values or deleted, by anybody. Resolves when links have taken it up. */
  readonly onChange: (name: string) => Promise<void>;
  /** Told each name that was put or deleted here. */
  readonly onOwn: (event: "config_set" | "config_deleted", name: string) => void;
  readonly warn: (text: string) => void;
}

/** Before the names, in a bucket where 0.x keeps what it configures by key of an actor or provider. */
const prefix = "CONFIG_";
const nameForm = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/**
 * Named configurations, followed as anybody changes them: kept in a state of this host's own while it
 * is alone, in the lattice's after it has joined one. Secrets stand here as references, as in links.
 */
export class Configurations {
  readonly #parts: ConfigurationParts;
  readonly #follower: StateFollower;
  readonly #known = new Map<string, NamedConfiguration>();
  /** By name, the revision up to which puts are over. */
  readonly #deleted = new Map<string, number>();
  /** By name, the end of what its last change set off here. */
  readonly #takenUp = new Map<string, Promise<void>>();

  constructor(parts: ConfigurationParts) {
    this.#parts = parts;
    const { warn } = parts;
    this.#follower = new StateFollower({ what: "configurations", onChange: (change) => this.#take(change), warn });
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
   * Replaces all values under a name. Resolves when the links of this host that use it have taken them
   * up. The same values again are no change; links that refused them are tried again.
   * @throws LatticeError CONFIGURATION_INVALID for a name or values that no link could take; STATE_UNAVAILABLE.
   */
  async put(name: string, values: Values): Promise<NamedConfiguration> {
    checkName(name);
    const problem = sizeProblem(values);
    if (problem !== undefined) throw fail("CONFIGURATION_INVALID", name, problem);
    const held = this.#known.get(name);
    if (held && same(held.values, values)) {
      this.#tell(name);
      await this.takenUp(name);
      return held;
    }
    const value = Buffer.from(JSON.stringify(values));
    const revision = await this.#follower.state.put(prefix + name, value);
    this.#take({ kind: "put", key: prefix + name, value, revision });
    this.#parts.onOwn("config_set", name);
    await this.takenUp(name);
    return { name, values, revision };
  }

  /** Reads names that are not known anew: one may have been put at another host a moment ago. */
  async refresh(names: readonly string[]): Promise<void> {
    for (const name of names) {
      if (this.#known.has(name) || !nameForm.test(name)) continue;
      const entry = await this.#follower.state.get(prefix + name);
      if (entry) this.#take({ kind: "put", ...entry });
    }
  }

  /** An absent one stays absent. @throws LatticeError STATE_UNAVAILABLE. */
  async delete(name: string): Promise<void> {
    checkName(name);
    const over = this.#known.get(name)?.revision ?? 0;
    await this.#follower.state.delete(prefix + name);
    if ((this.#known.get(name)?.revision ?? 0) <= over) {
      this.#deleted.set(name, over);
      if (this.#known.delete(name)) this.#tell(name);
    }
    this.#parts.onOwn("config_deleted", name);
  }

  /** Resolves when the links of this host have taken up the last change that is known. */
  async takenUp(name: string): Promise<void> {
    await this.#takenUp.get(name);
  }

  /**
   * Follows `state` from now on; what was put before goes there unless that name stands there already.
   * Resolves when what stands is known, or, while the state is away, at once: it is tried again for ever.
   */
  async open(state: State): Promise<void> {
    const before = this.all;
    this.#known.clear();
    this.#deleted.clear();
    await this.#follower.open(state, async () => {
      for (const { name, values } of before) if (!this.#known.has(name)) await this.put(name, values);
    });
  }

  /** The state may be there again: it is not waited for any longer. */
  hurry(): void {
    this.#follower.hurry();
  }

  /** Follows no more. May be called twice. */
  close(): void {
    this.#follower.close();
  }

  #take(change: StateChange): void {
    const { key, revision } = change;
    const name = key.slice(prefix.length);
    if (!key.startsWith(prefix) || !nameForm.test(name)) return;
    const held = this.#known.get(name);
    const over = Math.max(held?.revision ?? 0, this.#deleted.get(name) ?? 0);
    if (!change.anew && revision <= over) return;
    const values = change.kind === "put" ? readValues(change.value) : undefined;
    if (change.kind === "put" && !values) this.#parts.warn(`configuration ${name} is skipped: it holds no texts`);
    this.#deleted.delete(name);
    if (values) this.#known.set(name, { name, values, revision });
    else if (!this.#known.delete(name)) return;
    if (!held || !values || !same(held.values, values)) this.#tell(name);
  }

  #tell(name: string): void {
    const end = this.#parts.onChange(name);
    this.#takenUp.set(name, end);
    const gone = (): void => {
      if (this.#takenUp.get(name) === end) this.#takenUp.delete(name);
    };
    end.then(gone, gone);
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
