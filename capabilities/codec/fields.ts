/** Name matched to no field, or an element beyond those known. */
export const unknownField = -1;

interface Candidate {
  readonly bytes: Uint8Array;
  readonly index: number;
}

/**
 * The names of a struct's fields, matched on the encoded bytes, so that no string is made.
 * Each field may have several spellings: `new Fields(["queryString", "query_string"], ["body"])`;
 * the position is the field's index.
 */
export class Fields {
  /** By length of the name. */
  readonly #candidates: (Candidate[] | undefined)[] = [];
  readonly count: number;

  constructor(...spellings: (readonly string[])[]) {
    this.count = spellings.length;
    for (const [index, names] of spellings.entries()) {
      for (const name of names) {
        const bytes = new Uint8Array(Buffer.from(name));
        (this.#candidates[bytes.length] ??= []).push({ bytes, index });
      }
    }
  }

  match(source: Uint8Array, start: number, length: number): number {
    const candidates = this.#candidates[length];
    if (candidates === undefined) return unknownField;
    next: for (const { bytes, index } of candidates) {
      for (let i = 0; i < length; i++) if (bytes[i] !== source[start + i]) continue next;
      return index;
    }
    return unknownField;
  }
}
