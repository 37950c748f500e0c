import { describe } from "../lattice/index.ts";
import { functionNames } from "./name-section.ts";
import type { PreparedModule } from "./prepared.ts";

/** Innermost functions named in a trap. */
const framesShown = 5;

/** Names already looked up; a guest that traps again and again asks for the same few. */
const known = new WeakMap<PreparedModule, Map<number, string>>();

/**
 * What ended a guest, in one line: V8's words and the guest's own functions from the innermost out,
 * for example `unreachable in core::panicking::panic < handle_request`.
 */
export function describeTrap(error: unknown, module: PreparedModule): string {
  const what = wordsOf(error);
  const frames = framesOf(error, module);
  return frames.length > 0 ? `${what} in ${frames.join(" < ")}` : what;
}

function wordsOf(error: unknown): string {
  if (error instanceof WebAssembly.Exception) return "an exception that nobody caught";
  if (error instanceof RangeError && /call stack/i.test(error.message)) return "stack overflow";
  return describe(error);
}

/** Functions of the guest on the stack; those that instrumentation added are left out. */
function framesOf(error: unknown, module: PreparedModule): string[] {
  if (!(error instanceof Error) || typeof error.stack !== "string") return [];
  const { imported, added, defined } = module.shift;
  const indices: number[] = [];
  for (const [, digits] of error.stack.matchAll(/wasm-function\[(\d+)\]/g)) {
    const index = Number(digits) - added;
    if (index >= imported && index < imported + defined) indices.push(index);
    if (indices.length === framesShown) break;
  }
  if (indices.length === 0) return [];
  let names = known.get(module);
  if (!names) known.set(module, (names = new Map()));
  const unknown = new Set(indices.filter((index) => !names.has(index)));
  if (unknown.size > 0) {
    const read = module.names ? functionNames(module.names, unknown) : new Map<number, string>();
    for (const index of unknown) names.set(index, read.get(index) ?? `function ${index}`);
  }
  return indices.map((index) => names.get(index)!);
}
