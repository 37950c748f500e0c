import { findBuiltin, type Provider } from "../../capabilities/index.ts";
import { fail } from "../../lattice/index.ts";

/** What a child process is told that runs one of our own providers. */
export interface BuiltinSettings {
  readonly reference: string;
  readonly config: Readonly<Record<string, string>>;
}

/** One of our own providers, as a module that a child process can run. */
export default function ownProvider({ reference, config }: BuiltinSettings): Provider {
  const builtin = findBuiltin(reference);
  if (!builtin) throw fail("PROVIDER_ABSENT", reference);
  return builtin.create(config);
}
