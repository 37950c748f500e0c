/** Modules written byte by byte, for what no text format can say. Source: WebAssembly core specification, binary format. */
export type Code = number[];

export const i32 = 0x7f;
export const i64 = 0x7e;
export const funcref = 0x70;

export function leb(value: number): Code {
  const out: Code = [];
  let rest = value >>> 0;
  for (; rest > 0x7f; rest >>>= 7) out.push((rest & 0x7f) | 0x80);
  return [...out, rest];
}

/** As the linker writes numbers that it fills in later: always five bytes. */
export function wideLeb(value: number): Code {
  return [0, 1, 2, 3].map((at) => ((value >>> (7 * at)) & 0x7f) | 0x80).concat(value >>> 28);
}

export function signedLeb(value: number): Code {
  const out: Code = [];
  let rest = value | 0;
  for (; rest < -64 || rest > 63; rest >>= 7) out.push((rest & 0x7f) | 0x80);
  return [...out, rest & 0x7f];
}

export const vector = (items: readonly Code[]): Code => [...leb(items.length), ...items.flat()];
export const section = (id: number, content: Code): Code => [id, ...leb(content.length), ...content];
export const text = (value: string): Code => vector([...Buffer.from(value)].map((byte) => [byte]));
/** Eight bytes that every module starts with. */
export const magic = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/** Sections by id, each given without its size; written in the order given. */
export function moduleOf(...sections: readonly (readonly [id: number, content: Code])[]): Uint8Array {
  return Uint8Array.from([...magic, ...sections.flatMap(([id, content]) => section(id, content))]);
}

/** A function body: groups of locals, code without its last `end`. */
export function bodyOf(code: Code, locals: readonly Code[] = []): Code {
  const body = [...vector(locals), ...code, 0x0b];
  return [...leb(body.length), ...body];
}

/**
 * A module with one function `run` of type () -> () and one of everything that an instruction may
 * name: a memory, a table, a mutable i32 global, a tag, a data and an element segment.
 */
export function moduleAround(code: Code, locals: readonly Code[] = [[1, i32]]): Uint8Array {
  return moduleOf(
    [1, vector([[0x60, 0, 0]])],
    [3, [1, 0]],
    [4, [1, funcref, 0, 4]],
    [5, [1, 0, 1]],
    [13, [1, 0, 0]],
    [6, [1, i32, 1, 0x41, 0, 0x0b]],
    [7, [1, ...text("run"), 0, 0]],
    [9, [1, 1, 0, 1, 0]],
    [12, [1]],
    [10, [1, ...bodyOf(code, locals)]],
    [11, [1, 1, 1, 42]],
  );
}
