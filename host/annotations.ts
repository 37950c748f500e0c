/** What whoever started something said of it: names and values, which select it again. */
export type Annotations = Readonly<Record<string, string>>;

/** Whether all pairs of `wanted` are there; an empty `wanted` fits everything. */
export function carries(annotations: Annotations, wanted: Annotations): boolean {
  return Object.entries(wanted).every(
    ([name, value]) => Object.hasOwn(annotations, name) && annotations[name] === value,
  );
}

/** What was looked for, for an error that it is not there. */
export function annotated(target: string, wanted: Annotations): string {
  const pairs = Object.entries(wanted).map((pair) => pair.join("="));
  return pairs.length === 0 ? target : `${target} with annotations ${pairs.join(", ")}`;
}
