/**
 * Walks MessagePack without decoding it, so that a hostile message is refused before it costs
 * memory: lengths beyond the bytes, deep nesting, millions of empty containers.
 */

export interface MsgpackLimits {
  /** Bytes of the whole message. Default 16 MiB. */
  readonly maxBytes?: number;
  /** Arrays and maps inside each other. Default 64. */
  readonly maxDepth?: number;
  /** Arrays and maps in all. Default 262 144; each costs an object. */
  readonly maxContainers?: number;
  /** Values and keys in all. Default 4 194 304: the byte arrays of E1 are one value per byte. */
  readonly maxValues?: number;
}

export const defaultMsgpackLimits: Required<MsgpackLimits> = {
  maxBytes: 16 * 1024 * 1024,
  maxDepth: 64,
  maxContainers: 262_144,
  maxValues: 4_194_304,
};

export interface MsgpackShape {
  /** First byte after the value; undefined when the message is refused. */
  readonly end: number | undefined;
  /** Why it is refused. */
  readonly problem: string;
}

/** Bytes after the first one that values of fixed size take, by first byte from 0xc0 on; -1 has its own case. */
const fixed: readonly number[] = [
  0, -1, 0, 0, -1, -1, -1, -1, -1, -1, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
];

/**
 * Finds the end of the first value, in one pass and without recursion.
 * Extension types are refused: no era uses one, and decoders give them side effects.
 */
export function checkMsgpack(bytes: Uint8Array, limits: MsgpackLimits = {}): MsgpackShape {
  const { maxBytes, maxDepth, maxContainers, maxValues } = { ...defaultMsgpackLimits, ...limits };
  if (bytes.length > maxBytes) return refused(`it has ${bytes.length} bytes, more than ${maxBytes}`);
  const length = bytes.length;
  /** Values still to come in each open container; the innermost last. */
  const open: number[] = [];
  let left = 1;
  let containers = 0;
  let values = 0;
  let at = 0;

  /** Reads a big-endian length; NaN past the end, which fails every comparison below. */
  const size = (width: number): number => {
    let value = 0;
    for (let index = 0; index < width; index++) value = value * 256 + (bytes[at + index] ?? NaN);
    at += width;
    return value;
  };

  /** `at += size(width)` would read `at` before `size` moves it. */
  const skip = (count: number): void => {
    at += count;
  };

  for (;;) {
    while (left === 0) {
      const outer = open.pop();
      if (outer === undefined) return { end: at, problem: "" };
      left = outer;
    }
    left--;
    if (++values > maxValues) return refused(`it has more than ${maxValues} values`);
    if (at >= length) return refused("it is cut short");
    const first = bytes[at++]!;
    let children = -1;
    if (first < 0x80 || first >= 0xe0) continue;
    else if (first < 0x90) children = (first & 0x0f) * 2;
    else if (first < 0xa0) children = first & 0x0f;
    else if (first < 0xc0) at += first & 0x1f;
    else {
      const known = fixed[first - 0xc0]!;
      if (known >= 0) at += known;
      else if (first === 0xc4 || first === 0xd9) skip(size(1));
      else if (first === 0xc5 || first === 0xda) skip(size(2));
      else if (first === 0xc6 || first === 0xdb) skip(size(4));
      else if (first === 0xdc) children = size(2);
      else if (first === 0xdd) children = size(4);
      else if (first === 0xde) children = size(2) * 2;
      else if (first === 0xdf) children = size(4) * 2;
      else return refused(first === 0xc1 ? "it has the reserved byte c1" : "it has an extension type");
    }
    if (!(at <= length)) return refused("it is cut short");
    if (children === -1) continue;
    // Each value takes a byte at least.
    if (!(children <= length - at)) return refused("it is cut short");
    if (++containers > maxContainers) return refused(`it has more than ${maxContainers} arrays and maps`);
    if (open.length >= maxDepth) return refused(`it is nested more than ${maxDepth} deep`);
    open.push(left);
    left = children;
  }
}

function refused(problem: string): MsgpackShape {
  return { end: undefined, problem };
}
