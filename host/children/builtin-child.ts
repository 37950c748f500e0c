import { fileURLToPath } from "node:url";
import type { Builtin } from "../../capabilities/index.ts";
import { threadEntry } from "../thread-entry.ts";
import type { BuiltinSettings } from "./builtin-module.ts";
import { ChildProvider, childLimits } from "./child-provider.ts";

/** One of our own providers in a process of its own, which may reach what these settings need. */
export class BuiltinChild extends ChildProvider {
  readonly #builtin: Builtin;

  constructor(builtin: Builtin, config: Readonly<Record<string, string>>) {
    const { config: settled, memoryMiB, ...reach } = builtin.reach(config);
    const settings: BuiltinSettings = { reference: builtin.reference, config: settled };
    const path = fileURLToPath(threadEntry(import.meta.url, "builtin-module"));
    super(path, { ...reach, settings }, childLimits(memoryMiB === undefined ? {} : { memoryMiB }));
    this.#builtin = builtin;
  }

  override get contractId(): string {
    return this.#builtin.contractId;
  }

  override get name(): string {
    return this.#builtin.name;
  }

  override get key(): string {
    return this.#builtin.key;
  }
}
