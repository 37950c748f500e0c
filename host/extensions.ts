import { pathToFileURL } from "node:url";
import { describe, fail, failFrom } from "../lattice/index.ts";
import type { Middleware } from "./middleware.ts";
import type { Policy } from "./policy.ts";

/**
 * Policy and middleware as modules, for hosts whose engines are threads of their own: functions do
 * not cross threads, so each engine imports them by path. The default export is the policy, or the
 * middleware.
 */
export interface ExtensionPaths {
  readonly policy: string | undefined;
  readonly middleware: readonly string[];
}

export interface Extensions {
  readonly policy: Policy | string | undefined;
  readonly middleware: readonly (Middleware | string)[];
}

export function extensionPaths({ policy, middleware }: Extensions): ExtensionPaths {
  return {
    policy: typeof policy === "string" ? policy : undefined,
    middleware: middleware.filter((each) => typeof each === "string"),
  };
}

/**
 * A module that exports something else must not count as a policy that allows everything.
 * @throws LatticeError FILE_UNREADABLE naming the module that cannot be imported or exports no such thing.
 */
export async function loadExtensions({
  policy,
  middleware,
}: Extensions): Promise<{ policy: Policy | undefined; middleware: readonly Middleware[] }> {
  return {
    policy: typeof policy === "string" ? await defaultExport(policy, "policy", isPolicy) : policy,
    middleware: await Promise.all(
      middleware.map((each) =>
        typeof each === "string" ? defaultExport(each, "middleware", isMiddleware) : Promise.resolve(each),
      ),
    ),
  };
}

async function defaultExport<T>(path: string, what: string, fits: (found: unknown) => found is T): Promise<T> {
  let found: unknown;
  try {
    const module: { default?: unknown } = await import(path.startsWith("file:") ? path : pathToFileURL(path).href);
    found = module.default;
  } catch (error) {
    throw failFrom(error, "FILE_UNREADABLE", path, describe(error));
  }
  if (fits(found)) return found;
  throw fail("FILE_UNREADABLE", path, `its default export is no ${what}`);
}

function isPolicy(found: unknown): found is Policy {
  return typeof found === "function";
}

function isMiddleware(found: unknown): found is Middleware {
  return typeof found === "object" && found !== null && "name" in found && typeof found.name === "string";
}
