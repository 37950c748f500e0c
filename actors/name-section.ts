import { Cursor } from "./sections.ts";

/** Longest function name shown. */
const longestName = 160;

/**
 * The names of some functions from a module's name section.
 * `indices` count as in the module the toolchain wrote. A damaged section names nothing: it is not
 * worth failing for. Source: WebAssembly core specification, appendix "Name Section", subsection 1.
 */
export function functionNames(section: Uint8Array, indices: ReadonlySet<number>): Map<number, string> {
  const found = new Map<number, string>();
  try {
    const cursor = new Cursor(section, 0, section.length, "name section");
    while (cursor.left > 0) {
      const id = cursor.byte();
      const content = cursor.take(cursor.u32());
      if (id === 1) readFunctions(new Cursor(content, 0, content.length, "name section"), indices, found);
    }
  } catch {
    // What was read so far is still right.
  }
  return found;
}

function readFunctions(cursor: Cursor, indices: ReadonlySet<number>, found: Map<number, string>): void {
  for (let left = cursor.count("names", 2); left > 0 && found.size < indices.size; left--) {
    const index = cursor.u32();
    const name = cursor.take(cursor.u32());
    if (indices.has(index)) found.set(index, readable(new TextDecoder().decode(name.subarray(0, 4 * longestName))));
  }
}

/** A Rust symbol of the old mangling as its path, `_ZN4core5panicE` as `core::panic`; other names as they are. */
function readable(name: string): string {
  return (rustPath(name) ?? name).slice(0, longestName);
}

function rustPath(name: string): string | undefined {
  if (!name.startsWith("_ZN")) return undefined;
  const parts: string[] = [];
  let at = 3;
  while (at < name.length && name[at] !== "E") {
    const digits = /^\d+/.exec(name.slice(at, at + 4))?.[0];
    if (digits === undefined) return undefined;
    at += digits.length;
    const end = at + Number(digits);
    if (end > name.length) return undefined;
    parts.push(name.slice(at, end));
    at = end;
  }
  // The last part is the hash `h` and 16 hex digits.
  if (/^h[0-9a-f]{16}$/.test(parts.at(-1) ?? "")) parts.pop();
  return parts
    .join("::")
    .replaceAll("_$", "$")
    .replaceAll("$LT$", "<")
    .replaceAll("$GT$", ">")
    .replaceAll("$u20$", " ")
    .replaceAll("..", "::");
}
