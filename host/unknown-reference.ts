import { builtins } from "../capabilities/index.ts";
import { fail, type LatticeError } from "../lattice/index.ts";
import { didYouMean } from "./nearest-name.ts";

/** Why nothing can be started of a reference that is none of ours and no archive: BUILTIN_ABSENT or PROVIDER_BY_PATH. */
export function unknownReference(text: string): LatticeError {
  if (/\.[cm]?[jt]s$/i.test(text)) return fail("PROVIDER_BY_PATH", text);
  return fail("BUILTIN_ABSENT", withoutPassword(text), didYouMean(text, builtins.keys()));
}

/** An address may carry a password. */
function withoutPassword(text: string): string {
  return text.replace(/\/\/[^/@]*@/, "//");
}
