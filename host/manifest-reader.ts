import type { Document, Node, YAMLMap, YAMLSeq } from "yaml";
import { fail } from "../lattice/index.ts";
import { didYouMean } from "./nearest-name.ts";

type Environment = Readonly<Record<string, string | undefined>>;
type Yaml = typeof import("yaml");

/** One thing wrong with a file, at its place; lines and columns count from 1. */
interface Problem {
  readonly line: number;
  readonly column: number;
  readonly why: string;
}

/** A value with the place it stands at; `node` is `undefined` for what is written but empty. */
export interface Place {
  readonly node: Node | undefined;
  readonly offset: number;
}

/** Problems told at once; the rest are only counted. */
const mostProblems = 50;

/**
 * Reads values out of a YAML or JSON file and gathers what is wrong, each problem at its line and
 * column, so that a user sees all of them at once. `${VAR:default}` is expanded in texts after
 * parsing: a variable can change a value, never the structure. `$${` stands for `${` itself.
 */
export class ManifestReader {
  readonly root: Place;
  readonly #file: string;
  readonly #environment: Environment;
  readonly #yaml: Yaml;
  readonly #document: Document;
  readonly #lines: InstanceType<Yaml["LineCounter"]>;
  readonly #problems: Problem[] = [];

  private constructor(text: string, file: string, environment: Environment, yaml: Yaml) {
    this.#file = file;
    this.#environment = environment;
    this.#yaml = yaml;
    this.#lines = new yaml.LineCounter();
    this.#document = yaml.parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
    for (const error of this.#document.errors) this.problem({ node: undefined, offset: error.pos[0] }, error.message);
    const { contents } = this.#document;
    this.root = { node: contents ?? undefined, offset: contents?.range?.[0] ?? 0 };
  }

  /** The parser is loaded with the first file (40 ms). */
  static async open(text: string, file: string, environment: Environment): Promise<ManifestReader> {
    return new ManifestReader(text, file, environment, await import("yaml"));
  }

  problem(place: Place, why: string): void {
    const { line: found, col } = this.#lines.linePos(place.offset);
    const [line, column] = [Math.max(found, 1), Math.max(col, 1)];
    // A place that is read twice is wrong once.
    if (this.#problems.some((one) => one.line === line && one.column === column && one.why === why)) return;
    this.#problems.push({ line, column, why });
  }

  /** `file:line:column` */
  where(place: Place): string {
    const { line, col } = this.#lines.linePos(place.offset);
    return `${this.#file}:${line}:${col}`;
  }

  /** @throws LatticeError MANIFEST_INVALID naming every problem, in the order of the file. */
  finish(): void {
    const [first, ...others] = this.#problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
    if (!first) return;
    const more = others
      .slice(0, mostProblems - 1)
      .map(({ line, column, why }) => `\n${this.#file}:${line}:${column}: ${why}`);
    const left = this.#problems.length - mostProblems;
    const rest = left > 0 ? `\nand ${left} more problems` : "";
    throw fail("MANIFEST_INVALID", this.#file, first.line, first.column, first.why + more.join("") + rest);
  }

  /**
   * The values of a table by their one name. `names` lists each name with the others it may be
   * written as; unknown names are problems. `undefined` when it is no table.
   */
  table<N extends string>(
    place: Place,
    what: string,
    names: Readonly<Record<N, readonly string[]>>,
  ): Partial<Record<N, Place>> | undefined {
    const map = this.#map(place);
    if (!map) return this.#wrong(place, `${what} must be a table of names and values`);
    const meaning = new Map<string, N>();
    for (const [name, others] of Object.entries<readonly string[]>(names)) {
      for (const each of [name, ...others]) meaning.set(each, name as N);
    }
    const values: Partial<Record<N, Place>> = {};
    for (const [name, value, key] of this.#entries(map)) {
      const known = meaning.get(name);
      if (known === undefined) this.problem(key, `${what} has no ${name}${didYouMean(name, meaning.keys())}`);
      else if (values[known]) this.problem(key, `${name} says the same as another line: both mean ${known}`);
      else if (!this.isEmpty(value)) values[known] = value;
    }
    return values;
  }

  /** The places of a list; a list left empty has none. */
  list(place: Place | undefined, what: string, most: number): readonly Place[] {
    if (!place || this.isEmpty(place)) return [];
    const node = this.#resolved(place);
    if (!this.#yaml.isSeq(node)) return this.#wrong(place, `${what} must be a list`) ?? [];
    const { items } = node as YAMLSeq<Node | null>;
    if (items.length > most)
      return this.#wrong(place, `${what} has ${items.length} entries, at most ${most} may be`) ?? [];
    return items.map((item) => ({ node: item ?? undefined, offset: item?.range?.[0] ?? place.offset }));
  }

  /** A text; numbers and booleans count as what was typed. */
  text(place: Place | undefined, what: string): string | undefined {
    if (!place) return undefined;
    const text = this.#scalar(place);
    if (text === undefined) return this.#wrong(place, `${what} must be a text`);
    if (text === "") return this.#wrong(place, `${what} is empty`);
    return this.#expanded(place, text);
  }

  wholeNumber(place: Place | undefined, what: string, min: number, max: number): number | undefined {
    if (!place) return undefined;
    const text = this.#scalar(place);
    const expanded = text === undefined ? "" : this.#expanded(place, text);
    if (expanded === undefined) return undefined;
    const number = /^-?\d[\d_]*$/.test(expanded) ? Number(expanded.replaceAll("_", "")) : Number.NaN;
    if (number >= min && number <= max) return number;
    return this.#wrong(place, `${what} must be a whole number from ${min} to ${max}`);
  }

  /** A table of texts with any names: labels, annotations, link values. */
  texts(place: Place | undefined, what: string): Readonly<Record<string, string>> {
    if (!place) return {};
    const values = this.#free(place, what);
    return Object.fromEntries(
      [...values].flatMap(([name, value]) => {
        const written = this.#scalar(value);
        const text = written === undefined ? undefined : this.#expanded(value, written);
        if (written === undefined) this.problem(value, `${what}.${name} must be a text`);
        return text === undefined ? [] : [[name, text] as const];
      }),
    );
  }

  /** The places of a table with any names. */
  places(place: Place | undefined, what: string): ReadonlyMap<string, Place> {
    return place ? this.#free(place, what) : new Map();
  }

  isText(place: Place): boolean {
    return this.#scalar(place) !== undefined;
  }

  /** Nothing, `~` or `null`. */
  isEmpty(place: Place): boolean {
    const node = this.#resolved(place);
    return !node || (this.#yaml.isScalar(node) && node.value === null);
  }

  #free(place: Place, what: string): ReadonlyMap<string, Place> {
    const map = this.#map(place);
    if (map) return new Map([...this.#entries(map)].map(([name, value]) => [name, value]));
    this.problem(place, `${what} must be a table of names and values`);
    return new Map();
  }

  #map(place: Place): YAMLMap<Node, Node | null> | undefined {
    const node = this.#resolved(place);
    return this.#yaml.isMap<Node, Node | null>(node) ? node : undefined;
  }

  *#entries(map: YAMLMap<Node, Node | null>): Generator<[name: string, value: Place, key: Place]> {
    for (const { key, value } of map.items) {
      const keyPlace = { node: key, offset: key.range?.[0] ?? 0 };
      const name = this.#scalar(keyPlace);
      if (name === undefined) this.problem(keyPlace, "a name must be a text");
      else yield [name, { node: value ?? undefined, offset: value?.range?.[0] ?? keyPlace.offset }, keyPlace];
    }
  }

  /** The text of a scalar as it was typed, so that `8080` and `1e3` stay what they are. */
  #scalar(place: Place): string | undefined {
    const node = this.#resolved(place);
    if (!this.#yaml.isScalar(node) || node.value === null) return undefined;
    const { value, source } = node;
    if (typeof value === "string") return value;
    return source ?? (typeof value === "number" || typeof value === "boolean" ? String(value) : undefined);
  }

  #resolved(place: Place): Node | undefined {
    const { node } = place;
    return this.#yaml.isAlias(node) ? node.resolve(this.#document) : node;
  }

  /** Variables expanded; `undefined`, and a problem, when one is not set and has no default. */
  #expanded(place: Place, text: string): string | undefined {
    if (!text.includes("${")) return text;
    const absent = new Set<string>();
    const expanded = text.replaceAll(
      /\$\$\{|\$\{([A-Za-z_]\w*)(:[^}]*)?\}|\$\{[^}]*\}?/g,
      (whole, name?: string, fallback?: string) => {
        if (whole === "$${") return "${";
        // A reference inside a value, for the provider alone: see secrets.ts.
        if (/^\$\{secret:(env|file|nats):/.test(whole)) return whole;
        if (name === undefined) {
          absent.add(`${whole} is not of the form \${VAR} or \${VAR:default}`);
          return "";
        }
        const value = this.#environment[name] ?? fallback?.slice(1);
        if (value === undefined) absent.add(`${name} is not set and has no default (write \${${name}:default})`);
        return value ?? "";
      },
    );
    for (const why of absent) this.problem(place, why);
    return absent.size > 0 ? undefined : expanded;
  }

  #wrong(place: Place, why: string): undefined {
    this.problem(place, why);
    return undefined;
  }
}
