import type { Provider } from "../../capabilities/index.ts";
import { childProvider } from "./child-provider.ts";
import type { ChildPermissions } from "./permissions.ts";
import { loadProvider } from "./provider-module.ts";

/** A provider of somebody's own, as a host file describes it. */
export interface ModuleEntry extends ChildPermissions {
  /** Absolute path. */
  readonly path: string;
  /** `host`: in the host's own process, where it may do what the host may; `child`: in one of its own. */
  readonly process: "host" | "child";
  readonly memoryMiB?: number;
}

/** The provider of an entry; its configuration is what its function is given, too. @throws LatticeError as `childProvider`. */
export async function providerOfEntry(
  { path, process, ...options }: ModuleEntry,
  config: Readonly<Record<string, string>>,
): Promise<Provider> {
  if (process === "host") return loadProvider(path, config);
  return childProvider(path, { ...options, settings: { ...config } });
}
