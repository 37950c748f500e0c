import { concatBytes, encodeU32, sectionId } from "../../actors/index.ts";

/** Small modules made byte by byte, also wrong ones that no assembler would write. */

export const modulePreamble = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
export const componentPreamble = Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0);

export function section(id: number, ...body: (Uint8Array | readonly number[])[]): Uint8Array {
  const joined = concatBytes(body.map((piece) => Uint8Array.from(piece)));
  return concatBytes([Uint8Array.of(id), encodeU32(joined.length), joined]);
}

/** A section whose length is written in five bytes, as walrus does. */
export function paddedSection(id: number, body: Uint8Array): Uint8Array {
  const length = [0, 7, 14, 21].map((shift) => ((body.length >> shift) & 0x7f) | 0x80);
  return concatBytes([Uint8Array.of(id), Uint8Array.from([...length, 0]), body]);
}

export function custom(name: string, content: Uint8Array | string): Uint8Array {
  return section(sectionId.custom, text(name), Buffer.from(content));
}

/** A name: length and UTF-8. */
export function text(value: string): Uint8Array {
  const bytes = Buffer.from(value);
  return concatBytes([encodeU32(bytes.length), bytes]);
}

export function module(...sections: Uint8Array[]): Uint8Array {
  return concatBytes([modulePreamble, ...sections]);
}

export interface GuestShape {
  readonly importModule?: string;
  readonly hostCallParameters?: number;
  /** Content of the data section. */
  readonly data?: string | Uint8Array;
  readonly exports?: readonly string[];
  /** Further imports, as `module.name`. */
  readonly imports?: readonly string[];
}

/**
 * A module that looks like a waPC guest: imports `__host_call`, exports `__guest_call` and memory,
 * holds some data. Valid, but it answers nothing.
 */
export function guestModule(shape: GuestShape = {}): Uint8Array {
  const { importModule = "wapc", hostCallParameters = 8, data = "data", exports = [], imports = [] } = shape;
  const content = Buffer.from(data);
  const hostCall = [...text(importModule), ...text("__host_call"), 0, 0];
  const others = imports.map((full) => {
    const dot = full.indexOf(".");
    return [...text(full.slice(0, dot)), ...text(full.slice(dot + 1)), 0, 1];
  });
  const names = ["__guest_call", ...exports];
  const guestCall = 1 + others.length;
  return module(
    section(sectionId.type, [
      2,
      0x60,
      hostCallParameters,
      ...Array.from({ length: hostCallParameters }, () => 0x7f),
      1,
      0x7f,
      0x60,
      2,
      0x7f,
      0x7f,
      1,
      0x7f,
    ]),
    section(sectionId.import, [1 + others.length], hostCall, others.flat()),
    section(sectionId.function, [1, 1]),
    section(sectionId.memory, [1, 0, 1]),
    section(
      sectionId.export,
      [names.length + 1, ...text("memory"), 2, 0],
      names.flatMap((name) => [...text(name), 0, guestCall]),
    ),
    section(sectionId.code, [1, 4, 0, 0x41, 1, 0x0b]),
    section(sectionId.data, [1, 0, 0x41, 0, 0x0b], encodeU32(content.length), content),
  );
}
