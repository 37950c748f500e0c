import type { CallSite } from "./guest-host.ts";

/** Distinct names kept per pool; a guest that invents more gets sites that are not kept. */
const mostSites = 1_024;
/** Sites compared byte by byte before anything is decoded. */
const recentSites = 16;

interface Known {
  readonly bindingBytes: Uint8Array;
  readonly namespaceBytes: Uint8Array;
  readonly operationBytes: Uint8Array;
  readonly site: CallSite;
}

const text = new TextDecoder();

/**
 * The call sites of one pool. A guest names binding, namespace and operation anew in every host
 * call, as bytes in its memory; comparing them with those of recent calls costs less than decoding
 * them, and gives the host one object per site to hang its route on.
 */
export class CallSites {
  readonly #sites = new Map<string, CallSite>();
  readonly #recent: Known[] = [];
  #oldest = 0;

  /**
   * The site whose names lie at these places of `memory`; the caller has checked the bounds.
   * An empty binding reads as `default`.
   */
  find(
    memory: Uint8Array,
    b: number,
    bLength: number,
    n: number,
    nLength: number,
    o: number,
    oLength: number,
  ): CallSite {
    for (let i = 0; i < this.#recent.length; i++) {
      const known = this.#recent[i]!;
      if (
        known.operationBytes.length === oLength &&
        known.namespaceBytes.length === nLength &&
        known.bindingBytes.length === bLength &&
        same(known.operationBytes, memory, o) &&
        same(known.namespaceBytes, memory, n) &&
        same(known.bindingBytes, memory, b)
      ) {
        return known.site;
      }
    }
    const known: Known = {
      bindingBytes: memory.slice(b, b + bLength),
      namespaceBytes: memory.slice(n, n + nLength),
      operationBytes: memory.slice(o, o + oLength),
      site: this.#intern(
        text.decode(memory.subarray(b, b + bLength)),
        text.decode(memory.subarray(n, n + nLength)),
        text.decode(memory.subarray(o, o + oLength)),
      ),
    };
    if (this.#recent.length < recentSites) {
      this.#recent.push(known);
    } else {
      this.#recent[this.#oldest] = known;
      this.#oldest = (this.#oldest + 1) % recentSites;
    }
    return known.site;
  }

  /**
   * The four-parameter form of E0: the operation reads `contract!Operation`.
   * Source: waPC and actors reference, section 2.1.
   */
  findDecorated(memory: Uint8Array, o: number, oLength: number): CallSite {
    const mark = memory.subarray(o, o + oLength).indexOf(0x21);
    if (mark < 0) return this.find(memory, o, 0, o, 0, o, oLength);
    return this.find(memory, o, 0, o, mark, o + mark + 1, oLength - mark - 1);
  }

  #intern(binding: string, namespace: string, operation: string): CallSite {
    const key = `${binding}\0${namespace}\0${operation}`;
    let site = this.#sites.get(key);
    if (!site) {
      site = { binding: binding || "default", namespace, operation, route: undefined, epoch: -1 };
      if (this.#sites.size < mostSites) this.#sites.set(key, site);
    }
    return site;
  }
}

function same(known: Uint8Array, memory: Uint8Array, at: number): boolean {
  for (let i = 0; i < known.length; i++) if (known[i] !== memory[at + i]) return false;
  return true;
}
