/** Names kept; a caller that invents more makes the cache start over. */
const mostNames = 256;

const encoder = new TextEncoder();

/** Operation names in UTF-8, each encoded once. */
export class OperationNames {
  readonly #encoded = new Map<string, Uint8Array>();
  #last = "";
  #lastEncoded: Uint8Array = new Uint8Array(0);

  encode(name: string): Uint8Array {
    if (name === this.#last) return this.#lastEncoded;
    let bytes = this.#encoded.get(name);
    if (!bytes) {
      if (this.#encoded.size >= mostNames) this.#encoded.clear();
      bytes = encoder.encode(name);
      this.#encoded.set(name, bytes);
    }
    this.#last = name;
    this.#lastEncoded = bytes;
    return bytes;
  }
}
