export type Language = "rust" | "c" | "assemblyscript" | "text";
export const repository: string;
export function program(name: string, variable: string): string | undefined;
/** Builds one guest. Answers undefined, or why it was skipped. */
export function build(language: Language, source: string, output: string): string | undefined;
/** Paths of this machine inside a module. */
export function ownPaths(bytes: Buffer): string[];
export function sign(
  unsigned: string,
  output: string,
  flags: readonly string[],
  keys: string,
): { module: string; account: string };
