/** Modules too large to write down, made byte by byte. Source: WebAssembly core specification, binary format. */

function leb(value: number): number[] {
  const out: number[] = [];
  do {
    const low = value & 0x7f;
    value >>>= 7;
    out.push(value > 0 ? low | 0x80 : low);
  } while (value > 0);
  return out;
}

function section(id: number, ...chunks: readonly (readonly number[] | Uint8Array)[]): Uint8Array {
  const content = Buffer.concat(chunks.map((chunk) => Uint8Array.from(chunk)));
  return Buffer.concat([Uint8Array.from([id, ...leb(content.length)]), content]);
}

function name(text: string): number[] {
  return [text.length, ...Buffer.from(text)];
}

/** A module with one memory page; `bodies` are functions of type () -> i32, `main` is `__guest_call`, the last one. */
function build(bodies: readonly Uint8Array[], main: readonly number[]): Uint8Array {
  const body = Uint8Array.from([0, ...main, 0x0b]);
  const code = [...bodies, body].flatMap((each) => [Uint8Array.from(leb(each.length)), each]);
  return Buffer.concat([
    Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]),
    section(1, [2, 0x60, 0, 1, 0x7f, 0x60, 2, 0x7f, 0x7f, 1, 0x7f]),
    section(3, leb(bodies.length + 1), new Uint8Array(bodies.length), [1]),
    section(5, [1, 0, 1]),
    section(7, [2, ...name("memory"), 2, 0, ...name("__guest_call"), 0, ...leb(bodies.length)]),
    section(10, leb(bodies.length + 1), ...code),
  ]);
}

/** `count` functions, each called once by `__guest_call`, which returns 1. */
export function manyFunctions(count: number): Uint8Array {
  const one = Uint8Array.from([0, 0x41, 1, 0x0b]);
  const main: number[] = [];
  for (let index = 0; index < count; index++) main.push(0x10, ...leb(index), 0x1a);
  return build(
    Array.from({ length: count }, () => one),
    [...main, 0x41, 1],
  );
}

/** A function with `count` locals of 16 bytes, called by itself without end. */
export function manyLocals(count: number): Uint8Array {
  const body = Uint8Array.from([1, ...leb(count), 0x7b, 0x10, 0, 0x0b]);
  return build([body], [0x10, 0]);
}

/** One function of `bytes` bytes of arithmetic. */
export function longFunction(bytes: number): Uint8Array {
  const unit = [0x41, 7, 0x6a];
  const body = new Uint8Array(1 + 2 + Math.floor(bytes / unit.length) * unit.length + 1);
  body.set([0, 0x41, 0]);
  for (let at = 3; at < body.length - 1; at += unit.length) body.set(unit, at);
  body[body.length - 1] = 0x0b;
  return build([body], [0x10, 0]);
}
