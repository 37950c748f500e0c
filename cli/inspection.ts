import { LatticeError } from "../lattice/index.ts";
import type { InspectProblem, ModuleReport } from "../actors/index.ts";

/** The file of a reference and all that can be said of it without running it. */
export interface Inspected {
  readonly report: ModuleReport;
  readonly bytes: Uint8Array;
  readonly origin: string;
}

/** @throws LatticeError when the bytes cannot be had; whatever is wrong with them stands in the report. */
export async function inspectReference(reference: string): Promise<Inspected> {
  const { fetchModule, inspectModule } = await import("../actors/index.ts");
  const { bytes, origin } = await fetchModule(reference);
  return { report: inspectModule(bytes, origin), bytes, origin };
}

/** The token that a module carries, unverified. @throws LatticeError MODULE_UNSIGNED, TOKENS_DIFFER, MODULE_NOT_WASM. */
export async function tokenOf({ bytes, origin }: Inspected): Promise<string> {
  const { readModuleToken, readSections } = await import("../actors/index.ts");
  return readModuleToken(bytes, readSections(bytes, origin), origin);
}

/** A problem of the report as the error that a host would give. */
export function asError({ code, message }: InspectProblem): LatticeError {
  return new LatticeError(code, message);
}
