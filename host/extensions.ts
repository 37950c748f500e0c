import { pathToFileURL } from "node:url";
import { failFrom, describe } from "../lattice/index.ts";
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

/** @throws LatticeError FILE_UNREADABLE naming the module that cannot be imported. */
export async function loadExtensions({
  policy,
  middleware,
}: Extensions): Promise<{ policy: Policy | undefined; middleware: readonly Middleware[] }> {
  return {
    policy: typeof policy === "string" ? await defaultExport<Policy>(policy) : policy,
    middleware: await Promise.all(
      middleware.map((each) => (typeof each === "string" ? defaultExport<Middleware>(each) : Promise.resolve(each))),
    ),
  };
}

async function defaultExport<T>(path: string): Promise<T> {
  try {
    const module: { default: T } = await import(path.startsWith("file:") ? path : pathToFileURL(path).href);
    return module.default;
  } catch (error) {
    throw failFrom(error, "FILE_UNREADABLE", path, describe(error));
  }
}
