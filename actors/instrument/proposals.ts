/**
 * What of WebAssembly this host runs. An instruction that is in no accepted proposal is refused,
 * never guessed: the instrumenter must know every instruction it steps over, and every one that can
 * run long, block the thread or take memory that no cap reaches.
 *
 * Source: WebAssembly core specification 3.0 and the proposals repository of the working group.
 */

export const acceptedProposals = {
  mvp: "WebAssembly 1.0",
  "sign-extension": "sign extension operators",
  "saturating-float-to-int": "non-trapping float-to-int conversions",
  "mutable-globals": "import and export of mutable globals",
  "multi-value": "several results and block parameters",
  "bulk-memory": "bulk memory operations",
  "reference-types": "reference types and several tables",
  simd: "fixed-width SIMD",
  "relaxed-simd": "relaxed SIMD",
  "tail-calls": "tail calls",
  "legacy-exceptions": "exception handling, legacy form (try, catch, delegate)",
  exceptions: "exception handling (try_table, throw_ref, exnref)",
  "extended-const": "extended constant expressions",
} as const;

export const refusedProposals = {
  threads: "shared memory and atomics (an atomic wait blocks the thread unseen by fuel)",
  gc: "garbage-collected types (no cap reaches their heap)",
  memory64: "64-bit memories and tables",
  "multi-memory": "several memories",
  "function-references": "typed function references",
  stringref: "string references",
  "stack-switching": "stack switching",
  "wide-arithmetic": "128-bit arithmetic",
  "half-precision": "half-precision floating point",
  "memory-control": "memory control",
  "custom-page-sizes": "custom page sizes",
  "shared-everything": "shared-everything threads",
  "unknown-instruction": "an instruction of no known proposal",
  "unknown-type": "a type of no known proposal",
} as const;

export type AcceptedProposal = keyof typeof acceptedProposals;
export type RefusedProposal = keyof typeof refusedProposals;
