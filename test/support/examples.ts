import { fileURLToPath } from "node:url";
import { readdirSync } from "node:fs";
import { join } from "node:path";

/** Path of the signed module of one example. */
export function example(name: string): string {
  const folder = fileURLToPath(new URL(`../../actors/examples/${name}/`, import.meta.url));
  const file = readdirSync(folder).find((each) => each.endsWith(".wasm"));
  assert(file !== undefined, `no module in ${folder}`);
  return join(folder, file);
}

function assert(condition: boolean, text: string): asserts condition {
  if (!condition) throw new Error(text);
}
