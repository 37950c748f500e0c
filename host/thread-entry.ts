/** Location of a thread's entry beside `from`: TypeScript in a checkout, JavaScript in the package. */
export function threadEntry(from: string, name: string): URL {
  return new URL(`./${name}${from.endsWith(".ts") ? ".ts" : ".js"}`, from);
}
