/** What somebody means by `target`: those of exactly this name, else those it begins, else those with a word that it begins. */
export function match<T>(
  records: readonly T[],
  names: (record: T) => readonly (string | undefined)[],
  target: string,
): readonly T[] {
  const exact = records.filter((record) => names(record).includes(target));
  if (exact.length > 0) return exact;
  const wanted = target.toLowerCase();
  const has = (test: (name: string) => boolean) =>
    records.filter((record) => names(record).some((name) => name !== undefined && test(name.toLowerCase())));
  const begun = has((name) => name.startsWith(wanted));
  return begun.length > 0
    ? begun
    : has((name) => name.split(/[^\p{L}\p{N}]+/u).some((word) => word.startsWith(wanted)));
}

/** `keyvalue` of `wasmcloud:keyvalue`. */
export function shortContract(contractId: string): string {
  return contractId.slice(contractId.lastIndexOf(":") + 1);
}
