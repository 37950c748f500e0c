import { fail } from "../lattice/index.ts";
import type { Configurations } from "./configurations.ts";
import type { LinkSpec } from "./engine-messages.ts";

/** What links take effect with: the values of the configurations that they name, in order, then their own. */
export class LinkValues {
  readonly #configurations: Configurations;
  /** By link, the configurations with which it took effect here last. */
  readonly #taken = new Map<string, string>();

  constructor(configurations: Configurations) {
    this.#configurations = configurations;
  }

  /** Before a link is put: its configurations may have been put elsewhere a moment ago. @throws LatticeError STATE_UNAVAILABLE. */
  async refresh({ config = [] }: Pick<LinkSpec, "config">): Promise<void> {
    await this.#configurations.refresh(config);
  }

  /** @throws LatticeError LINK_VALUES_INVALID naming the configurations that are not there. */
  of({ provider, values, config = [] }: LinkSpec): Readonly<Record<string, string>> {
    const missing = config.filter((name) => !this.#configurations.find(name));
    if (missing.length > 0)
      throw fail("LINK_VALUES_INVALID", provider, `there is no configuration ${missing.join(", ")}`);
    const named = config.map((name) => this.#configurations.get(name).values);
    return Object.assign({}, ...named, values) as typeof values;
  }

  /**
   * The link as engines get it. Where its provider runs on another host only `deadline` matters, so a
   * configuration that is missing there is passed over.
   * @throws LatticeError LINK_VALUES_INVALID.
   */
  effective(spec: LinkSpec): LinkSpec {
    if (!spec.config) return spec;
    if (spec.providerId === undefined && spec.config.some((name) => !this.#configurations.find(name))) return spec;
    return { ...spec, values: this.of(spec) };
  }

  /** Changes when a configuration of the link does. */
  marks({ config = [] }: Pick<LinkSpec, "config">): string {
    return config.map((name) => this.#configurations.find(name)?.revision ?? 0).join(",");
  }

  /** The link has taken effect with the configurations that had these marks. */
  took(id: string, marks: string): void {
    if (marks === "") this.#taken.delete(id);
    else this.#taken.set(id, marks);
  }

  /** True unless a configuration has changed since the link took effect. */
  isTaken({ id, config }: Pick<LinkSpec, "id" | "config">): boolean {
    return (this.#taken.get(id) ?? "") === this.marks({ config });
  }

  forget(id: string): void {
    this.#taken.delete(id);
  }
}
