import { builtins } from "../capabilities/index.ts";
import { fail, isPublicKey, type LatticeError } from "../lattice/index.ts";
import { shortContract } from "./names.ts";
import { didYouMean } from "./nearest-name.ts";

/** Why nothing can be started of a reference that is none of ours and no archive: BUILTIN_ABSENT, PROVIDER_BY_PATH or PROVIDER_IS_MODULE. */
export function unknownReference(text: string): LatticeError {
  if (/\.[cm]?[jt]s$/i.test(text)) return fail("PROVIDER_BY_PATH", text);
  if (/\.wasm$/i.test(text) || isPublicKey(text, "module")) return fail("PROVIDER_IS_MODULE", withoutPassword(text));
  // A contract may be said without its namespace where something runs; here it is spelled out.
  const contract = [...builtins.values()].find(({ contractId }) => shortContract(contractId) === text)?.contractId;
  const near = contract === undefined ? didYouMean(text, builtins.keys()) : `; did you mean ${contract}?`;
  return fail("BUILTIN_ABSENT", withoutPassword(text), near);
}

/** An address may carry a password. */
function withoutPassword(text: string): string {
  return text.replace(/\/\/[^/@]*@/, "//");
}
