import type { Provider } from "../../capabilities/index.ts";
import { ChildProvider, childLimits } from "./child-provider.ts";
import type { ChildPermissions } from "./permissions.ts";
import { loadProvider } from "./provider-module.ts";
import { ThreadProvider } from "./thread-provider.ts";

/** A provider of somebody's own, as a host file describes it. */
export interface ModuleEntry extends ChildPermissions {
  /** Absolute path. */
  readonly path: string;
  /**
   * `thread`: in the host's process, where it may do what the host may, in a thread of its own; `host`: in the host's
   * own thread, which it holds up while it works; `child`: in a process of its own.
   */
  readonly process: "thread" | "host" | "child";
  readonly memoryMiB?: number;
}

/**
 * The provider of an entry; its configuration is what its function is given, too. A thread of it is ended after
 * `silenceMs` (default 3 000) without a heartbeat.
 * @throws LatticeError as `childProvider` and `threadProvider`.
 */
export async function providerOfEntry(
  { path, process, ...options }: ModuleEntry,
  config: Readonly<Record<string, string>>,
  silenceMs?: number,
): Promise<Provider> {
  if (process === "host") return loadProvider(path, config);
  const provider =
    process === "child"
      ? new ChildProvider(path, { ...options, config }, childLimits(options))
      : new ThreadProvider(path, { ...options, ...(silenceMs === undefined ? {} : { silenceMs }), config });
  await provider.load();
  return provider;
}
