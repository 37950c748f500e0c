import { findBuiltin } from "../../capabilities/index.ts";

/** False for `builtin:NAME` that this host does not have; undefined for what is no such reference. */
export function isBuiltinReference(reference: string): boolean | undefined {
  if (findBuiltin(reference)) return true;
  return /^(child:)?builtin:/.test(reference) ? false : undefined;
}
