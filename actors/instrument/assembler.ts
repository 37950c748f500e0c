/** Instructions of the functions that we append, each as its bytes. */
export type Code = readonly number[];

/** Instructions in a row. */
export const code = (...parts: Code[]): Code => parts.flat();

export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value >>> 0;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return bytes;
}

export function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest < -64 || rest > 63) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>= 7;
  }
  bytes.push(rest & 0x7f);
  return bytes;
}

export const constant = (value: number): Code => [0x41, ...signed(value)];
export const get = (local: number): Code => [0x20, ...unsigned(local)];
export const set = (local: number): Code => [0x21, ...unsigned(local)];
export const tee = (local: number): Code => [0x22, ...unsigned(local)];
export const getGlobal = (global: number): Code => [0x23, ...unsigned(global)];
export const setGlobal = (global: number): Code => [0x24, ...unsigned(global)];
export const call = (index: number): Code => [0x10, ...unsigned(index)];
export const unreachable: Code = [0x00];
export const leave: Code = [0x0f];
export const end: Code = [0x0b];
export const otherwise: Code = [0x05];
/** Blocks without parameters or results. */
export const block: Code = [0x02, 0x40];
export const loop: Code = [0x03, 0x40];
export const when: Code = [0x04, 0x40];
export const branch = (depth: number): Code => [0x0c, depth];
export const branchIf = (depth: number): Code => [0x0d, depth];
export const select: Code = [0x1b];
export const isZero: Code = [0x45];
export const equal: Code = [0x46];
export const notEqual: Code = [0x47];
export const less: Code = [0x48];
export const lessUnsigned: Code = [0x49];
export const greaterUnsigned: Code = [0x4b];
export const atMost: Code = [0x4c];
export const atMostUnsigned: Code = [0x4d];
export const add: Code = [0x6a];
export const subtract: Code = [0x6b];
export const and: Code = [0x71];
export const or: Code = [0x72];
export const shiftLeft: Code = [0x74];
export const shiftRightUnsigned: Code = [0x76];
export const memoryFill: Code = [0xfc, 11, 0];
export const memoryCopy: Code = [0xfc, 10, 0, 0];
export const memoryInit = (segment: number): Code => [0xfc, 8, ...unsigned(segment), 0];

/** A function body without its size: `locals` of type i32 beside the parameters, then the code. */
export function body(locals: number, ...instructions: Code[]): Uint8Array {
  const declared = locals === 0 ? [0] : [1, ...unsigned(locals), 0x7f];
  return Uint8Array.from([...declared, ...instructions.flat(), ...end]);
}
