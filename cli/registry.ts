import type { Command } from "commander";

/** A file of cli/commands: it makes its commander command when asked. */
interface CommandFile {
  command(): Command;
}

/** Every command and the file that holds it; a file is imported when its command is run. */
export const commandFiles: Readonly<Record<string, () => Promise<CommandFile>>> = {
  call: () => import("./commands/call.ts"),
  claims: () => import("./commands/claims.ts"),
  completions: () => import("./commands/completions.ts"),
  config: () => import("./commands/config.ts"),
  ctx: () => import("./commands/ctx.ts"),
  describe: () => import("./commands/describe.ts"),
  doctor: () => import("./commands/doctor.ts"),
  down: () => import("./commands/down.ts"),
  drain: () => import("./commands/drain.ts"),
  explain: () => import("./commands/explain.ts"),
  get: () => import("./commands/get.ts"),
  inspect: () => import("./commands/inspect.ts"),
  keys: () => import("./commands/keys.ts"),
  label: () => import("./commands/label.ts"),
  link: () => import("./commands/link.ts"),
  logs: () => import("./commands/logs.ts"),
  par: () => import("./commands/par.ts"),
  run: () => import("./commands/run.ts"),
  scale: () => import("./commands/scale.ts"),
  secret: () => import("./commands/secret.ts"),
  spy: () => import("./commands/spy.ts"),
  start: () => import("./commands/start.ts"),
  stop: () => import("./commands/stop.ts"),
  swap: () => import("./commands/swap.ts"),
  top: () => import("./commands/top.ts"),
  up: () => import("./commands/up.ts"),
  update: () => import("./commands/update.ts"),
  version: () => import("./commands/version.ts"),
  wait: () => import("./commands/wait.ts"),
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
