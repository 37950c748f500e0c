import { Command, CommanderError, Option } from "commander";
import { fail } from "../lattice/index.ts";
import { colourWords, type ColourWhen } from "./colour.ts";
import { formats, Output, parseFormat, type OutputOptions } from "./output.ts";

/** Options as a command declared them; the reader narrows each one. */
export type Options = Readonly<Record<string, unknown>>;

/** One run of one command. */
export interface Call {
  readonly output: Output;
  readonly options: Options;
  /** Positional arguments in order; one that was left out is undefined, a variadic one is a list. */
  readonly args: readonly (string | readonly string[] | undefined)[];
}

export interface CommandShape {
  readonly name: string;
  readonly summary: string;
  /** As commander writes them: `<target>`, `[payload]`, `<module...>`, each with what it is. */
  readonly args?: readonly (readonly [name: string, about: string])[];
  readonly options?: (command: Command) => void;
  /** Letters of common options that mean something else here, because wash gave them away first. */
  readonly lettersTaken?: readonly ("o" | "q" | "v")[];
  /** Examples and remarks below the help. */
  readonly more?: string;
  readonly work: (call: Call) => Promise<void>;
}

/** A command without words below it. */
export function leaf(shape: CommandShape): Command {
  const command = bare(shape.name, shape.summary);
  for (const [name, about] of shape.args ?? []) command.argument(name, about);
  shape.options?.(command);
  addCommonOptions(command, shape.lettersTaken);
  if (shape.more !== undefined) command.addHelpText("after", `\n${shape.more}`);
  command.action(async () => {
    const options = gatherOptions(command);
    await shape.work({
      output: new Output(outputOptions(options)),
      options,
      args: command.processedArgs as readonly (string | string[] | undefined)[],
    });
  });
  return command;
}

/** A command that only leads to others: `get hosts`, `claims sign`. */
export function group(name: string, summary: string, members: readonly Command[]): Command {
  const command = bare(name, summary);
  for (const member of members) command.addCommand(member);
  addCommonOptions(command);
  return command;
}

/** The command `lattice` itself, holding the one command that this run needs. */
export function program(member: Command): Command {
  const root = bare("lattice", "");
  root.addCommand(member);
  addCommonOptions(root);
  return root;
}

function bare(name: string, summary: string): Command {
  return new Command(name)
    .description(summary)
    .summary(summary)
    .exitOverride()
    .enablePositionalOptions()
    .helpCommand(false)
    .helpOption("-h, --help", "say how this command is used")
    .configureOutput({ writeErr: () => {} })
    .configureHelp({ sortOptions: true });
}

function addCommonOptions(command: Command, taken: CommandShape["lettersTaken"] = []): void {
  const flags = (letter: "o" | "q" | "v", long: string) =>
    taken.some((one) => one === letter) ? long : `-${letter}, ${long}`;
  command
    .addOption(new Option(flags("o", "--output <format>"), `${formats.join(", ")}; text means table`))
    .addOption(new Option("--no-headers", "tables without their first line"))
    .addOption(new Option("--color <when>", "colour on the terminal").choices(colourWords))
    .addOption(new Option(flags("q", "--quiet"), "no progress and no notes"))
    .addOption(new Option(flags("v", "--verbose"), "more on stderr, and the stack of an error"));
}

/** Values said anywhere on the line, the innermost command's first; defaults last. */
function gatherOptions(command: Command): Options {
  const gathered: Record<string, unknown> = {};
  const line: Command[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) line.push(at);
  for (const said of [false, true]) {
    for (const one of line.toReversed()) {
      for (const [name, value] of Object.entries(one.opts())) {
        const isDefault = one.getOptionValueSource(name) === "default";
        if (isDefault !== said && !(isDefault && name in gathered)) gathered[name] = value;
      }
    }
  }
  return gathered;
}

function outputOptions(options: Options): OutputOptions {
  return {
    format: parseFormat(textOption(options, "output") ?? "table"),
    headers: options.headers !== false,
    colour: (textOption(options, "color") ?? "auto") as ColourWhen,
    quiet: options.quiet === true,
    verbose: options.verbose === true,
  };
}

/** The value of an option that takes one, undefined when it was not given. */
export function textOption(options: Options, name: string): string | undefined {
  const value = options[name];
  return typeof value === "string" ? value : undefined;
}

/** The values of an option that may be repeated. */
export function listOption(options: Options, name: string): readonly string[] {
  const value = options[name];
  return Array.isArray(value) ? value.map(String) : [];
}

/** @throws LatticeError USAGE when it is no whole number between `least` and `most`. */
export function wholeNumber(text: string, what: string, least: number, most: number): number {
  const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw fail("USAGE", `${what} is "${text}", it must be a whole number from ${least} to ${most}`);
  }
  return value;
}

/** For options that may be repeated: `.option("--set <k=v>", "...", collect)`. */
export function collect(value: string, earlier: readonly string[] | undefined): string[] {
  return [...(earlier ?? []), value];
}

/** `key=value`; the value may hold further `=`. @throws LatticeError USAGE naming the option. */
export function pair(text: string, option: string): [key: string, value: string] {
  const at = text.indexOf("=");
  if (at < 1) throw fail("USAGE", `${option} is "${text}", it must be KEY=VALUE`);
  return [text.slice(0, at), text.slice(at + 1)];
}

export function pairs(texts: readonly string[], option: string): Record<string, string> {
  return Object.fromEntries(texts.map((text) => pair(text, option)));
}

/** `-a k=v`, repeated: with which annotations something is, or was, started. Some of wash's commands say it in the plural. */
export function addAnnotationOption(command: Command, about: string): void {
  command
    .addOption(new Option("-a, --annotation <k=v>", `${about}, may be repeated`).argParser(collect))
    .addOption(new Option("--annotations <k=v>", "as --annotation").argParser(collect).hideHelp());
}

export function annotationsOf(options: Options): Record<string, string> {
  const said = ["annotation", "annotations"].flatMap((name) => listOption(options, name));
  return pairs(said, "--annotation");
}

/** The same as parameters of a verb: none when nothing was said. */
export function annotationFilter(options: Options): { readonly annotations?: Readonly<Record<string, string>> } {
  const annotations = annotationsOf(options);
  return Object.keys(annotations).length === 0 ? {} : { annotations };
}

/** What commander has to say about the command line as our own error; undefined when help was printed. */
export function usageError(error: CommanderError, command: Command, words: readonly string[]): Error | undefined {
  if (error.exitCode === 0) return undefined;
  if (error.code === "commander.help") return fail("USAGE", furtherWord(command, words));
  const text = error.message.replace(/^error: /, "").replaceAll("\n", " ");
  if (error.code !== "commander.unknownCommand" || text.includes("Did you mean")) return fail("USAGE", text);
  return fail("USAGE", `${text}; ${furtherWord(command, words)}`);
}

/** Which words may follow those that lead to a command without work of its own. */
function furtherWord(command: Command, words: readonly string[]): string {
  const path = ["lattice", command.name()];
  let at = command;
  for (const word of words) {
    const next = at.commands.find((each) => each.name() === word || each.aliases().includes(word));
    if (next === undefined) continue;
    at = next;
    path.push(next.name());
  }
  return `${path.join(" ")} needs one of ${at.commands.map((each) => each.name()).join(", ")}`;
}

export { CommanderError };
