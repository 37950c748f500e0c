import type { Command } from "commander";

/** A file of cli/commands: it makes its commander command when asked. */
interface CommandFile {
  command(): Command;
}

/** Every command and the file that holds it; a file is imported when its command is run. */
export const commandFiles: Readonly<Record<string, () => Promise<CommandFile>>> = {
  version: () => import("./commands/version.ts"),
};

/** Words of wash and of older releases, rewritten before anything else looks at the line. */
export function modernWords(argv: readonly string[]): string[] {
  const at = argv.findIndex((word) => !word.startsWith("-"));
  const isValue = at > 0 && /^(-o|--output|--color)$/.test(argv[at - 1] ?? "");
  if (at < 0) return [...argv];
  if (isValue) return [...argv.slice(0, at + 1), ...modernWords(argv.slice(at + 1))];
  const [word = "", ...rest] = argv.slice(at);
  const before = argv.slice(0, at);
  return word === "ctl" ? [...before, ...rest] : [...before, word, ...rest];
}
