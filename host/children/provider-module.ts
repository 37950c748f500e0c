import { pathToFileURL } from "node:url";
import type { Provider } from "../../capabilities/index.ts";
import { describe, fail, failFrom, isLatticeError } from "../../lattice/index.ts";

/**
 * The provider of a module: its default export, or what its default export makes of `settings` when that is a
 * function. A class is none of these: export `() => new Mine()`.
 * @throws LatticeError PROVIDER_MODULE_INVALID with the reason; the module's own LatticeErrors as they are.
 */
export async function loadProvider(path: string, settings?: unknown): Promise<Provider> {
  let made: unknown;
  try {
    const loaded = (await import(pathToFileURL(path).href)) as { readonly default?: unknown };
    made = typeof loaded.default === "function" ? await (loaded.default as Factory)(settings) : loaded.default;
  } catch (error) {
    throw isLatticeError(error) ? error : failFrom(error, "PROVIDER_MODULE_INVALID", path, withPermission(error));
  }
  const problem = shapeProblem(made);
  if (problem !== undefined) throw fail("PROVIDER_MODULE_INVALID", path, problem);
  return made as Provider;
}

type Factory = (settings: unknown) => unknown;

function shapeProblem(made: unknown): string | undefined {
  if (typeof made !== "object" || made === null)
    return "its default export is neither a provider nor a function that makes one";
  const { contractId, name, handle } = made as Partial<Record<keyof Provider, unknown>>;
  if (typeof contractId !== "string" || contractId === "") return "its provider has no contractId";
  if (typeof name !== "string" || name === "") return "its provider has no name";
  return typeof handle === "function" ? undefined : "its provider has no function handle";
}

/** What Node forbade names the resource; ours is to say where to allow it. */
function withPermission(error: unknown): string {
  const text = describe(error);
  if (!(error instanceof Error) || !("code" in error) || error.code !== "ERR_ACCESS_DENIED") return text;
  const resource = "resource" in error && typeof error.resource === "string" ? ` ${error.resource}` : "";
  return `${text}${resource}: declare it (read, write, network) where the child process is described`;
}
