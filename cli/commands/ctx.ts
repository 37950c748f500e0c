import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { Option, type Command } from "commander";
import { describe, fail, failFrom } from "../../lattice/index.ts";
import { group, leaf, textOption, type Options } from "../command.ts";
import { contextFile, contextsFolder, currentContext } from "../context.ts";
import { withoutLogin } from "../nats-settings.ts";

const fields = ["nats", "lattice", "creds", "jwt", "seed", "ca", "cert", "key"] as const;
type Field = (typeof fields)[number];

interface Context extends Partial<Readonly<Record<Field, string>>> {
  readonly name: string;
}

const ending = ".context.json";

/** Named lattices: where the server is, under which name, with which credentials. */
export function command(): Command {
  return group("ctx", "name lattices and choose one", [list(), make(), use(), show(), edit(), remove()]);
}

function settings(made: Command): void {
  made
    .addOption(new Option("--nats <url>", "NATS server, or several with commas between"))
    .addOption(new Option("--lattice <name>", "name of the lattice there"))
    .addOption(new Option("--creds <file>", "credentials for the server"))
    .addOption(new Option("--jwt <file>", "user JWT for the server, with --seed"))
    .addOption(new Option("--seed <file>", "seed of the user key for the server"))
    .addOption(new Option("--ca <file>", "authorities that the server's certificate may come from"))
    .addOption(new Option("--cert <file>", "certificate of ours, with --key"))
    .addOption(new Option("--key <file>", "key of that certificate"));
}

function list(): Command {
  return leaf({
    name: "list",
    summary: "every context; the one in use is marked",
    work: async ({ output }) => {
      const current = currentContext();
      const rows = all().map((context) => ({ ...shown(context), current: context.name === current }));
      await output.list({
        document: { contexts: rows, current: current ?? null },
        rows,
        columns: [
          { head: "", cell: (row) => (row.current ? "*" : "") },
          { head: "NAME", cell: ({ name }) => name },
          { head: "LATTICE", cell: ({ lattice }) => lattice },
          { head: "NATS", cell: ({ nats }) => nats },
          { head: "CREDENTIALS", cell: ({ creds }) => creds, wide: true },
        ],
        name: ({ name }) => name,
        none: "No context is known. Make one: lattice ctx new NAME --nats nats://HOST:4222",
      });
    },
  });
}

function make(): Command {
  return leaf({
    name: "new",
    summary: "make a context and use it",
    args: [["<name>", "letters, digits, - and _"]],
    options: settings,
    work: async ({ output, args: [word], options }) => {
      const name = nameOf(word);
      if (existsSync(contextFile(name))) throw fail("CONTEXT_EXISTS", name);
      const context = { name, ...given(options) };
      write(context);
      choose(name);
      await output.show({ context: shown(context) }, `Made context ${name}, in use from now on`, name);
    },
  });
}

function use(): Command {
  return leaf({
    name: "use",
    summary: "use a context from now on",
    args: [["<name>", "its name"]],
    work: async ({ output, args: [word] }) => {
      const context = read(nameOf(word));
      choose(context.name);
      await output.show({ context: shown(context) }, `Using context ${context.name}`, context.name);
    },
  }).alias("default");
}

function show(): Command {
  return leaf({
    name: "show",
    summary: "one context, by default the one in use",
    args: [["[name]", "its name"]],
    work: async ({ output, args: [word] }) => {
      const name = word === undefined ? currentContext() : nameOf(word);
      if (name === undefined) throw fail("USAGE", "no context is in use; lattice ctx list shows them");
      const context = read(name);
      const told = shown(context);
      const lines = fields.map((field) => `${field.padEnd(8)} ${told[field] ?? "-"}`);
      await output.show({ context: shown(context) }, [`name     ${name}`, ...lines].join("\n"), name);
    },
  });
}

function edit(): Command {
  return leaf({
    name: "edit",
    summary: "change a context; an empty value takes a setting out",
    args: [["<name>", "its name"]],
    options: settings,
    work: async ({ output, args: [word], options }) => {
      const before = read(nameOf(word));
      const changes = given(options);
      if (Object.keys(changes).length === 0)
        throw fail("USAGE", "say what to change: --nats, --lattice, --creds or another setting");
      const kept = Object.entries({ ...before, ...changes }).filter(([, value]) => value !== "");
      const context = { ...Object.fromEntries(kept), name: before.name };
      write(context);
      await output.show({ context: shown(context) }, `Changed context ${before.name}`, before.name);
    },
  });
}

function remove(): Command {
  return leaf({
    name: "del",
    summary: "forget a context",
    args: [["<name>", "its name"]],
    work: async ({ output, args: [word] }) => {
      const { name } = read(nameOf(word));
      rmSync(contextFile(name));
      if (currentContext() === name) rmSync(join(contextsFolder(), "current.json"), { force: true });
      await output.show({ context: { name } }, `Forgot context ${name}`, name);
    },
  }).alias("delete");
}

/** As it is printed: what opens the server stays in the file. */
function shown(context: Context): Context {
  return context.nats === undefined ? context : { ...context, nats: withoutLogin(context.nats) };
}

function given(options: Options): Partial<Record<Field, string>> {
  return Object.fromEntries(
    fields.flatMap((field) => {
      const value = textOption(options, field);
      if (field === "seed" && /^\s*S[A-Z][A-Z2-7]{56}\s*$/.test(value ?? ""))
        throw fail("USAGE", "--seed takes the file of a seed: a seed on the command line is seen by others");
      return value === undefined ? [] : [[field, value]];
    }),
  );
}

function nameOf(word: string | readonly string[] | undefined): string {
  if (typeof word === "string" && /^[A-Za-z0-9_-]{1,64}$/.test(word)) return word;
  throw fail("USAGE", `a context is named by 1 to 64 letters, digits, - and _, not by "${String(word)}"`);
}

function all(): Context[] {
  const folder = contextsFolder();
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).filter((file) => file.endsWith(ending));
  return files.toSorted().map((file) => read(basename(file, ending)));
}

function read(name: string): Context {
  const file = contextFile(name);
  if (!existsSync(file)) {
    const known = existsSync(contextsFolder()) ? all().map((context) => context.name) : [];
    throw fail("CONTEXT_ABSENT", name, known.join(", ") || "none");
  }
  try {
    return { ...(JSON.parse(readFileSync(file, "utf8")) as object), name };
  } catch (error) {
    throw failFrom(error, "FILE_UNREADABLE", file, describe(error));
  }
}

function write(context: Context): void {
  save(contextFile(context.name), context);
}

function choose(name: string): void {
  save(join(contextsFolder(), "current.json"), { name });
}

/** In one step, readable by this user alone: a server's URL may hold a password. */
function save(file: string, value: object): void {
  mkdirSync(contextsFolder(), { recursive: true, mode: 0o700 });
  writeFileSync(`${file}.new`, `${JSON.stringify(value, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
