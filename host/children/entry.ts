import type { Provider, ProviderContext } from "../../capabilities/index.ts";
import { ChildProvider, childLimits } from "./child-provider.ts";
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
  const provider = new EntryProvider(path, options, config);
  await provider.load();
  return provider;
}

/** Its function is given the configuration of now whenever its process comes up. */
class EntryProvider extends ChildProvider {
  #config: Readonly<Record<string, string>>;

  constructor(path: string, options: Omit<ModuleEntry, "path" | "process">, config: Readonly<Record<string, string>>) {
    super(path, options, childLimits(options));
    this.#config = config;
  }

  override start(context: ProviderContext): Promise<void> {
    this.#config = context.config;
    return super.start(context);
  }

  protected override settings(): unknown {
    return { ...this.#config };
  }
}
