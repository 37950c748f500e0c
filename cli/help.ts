/**
 * What `lattice --help` prints and what every name of a command is checked against. Imports
 * nothing, so that help costs a bare start of Node.
 */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  /** Second words, for help and completions. */
  readonly words?: readonly string[];
}

export const commandGroups: readonly { readonly title: string; readonly commands: readonly CommandEntry[] }[] = [
  {
    title: "Run",
    commands: [
      { name: "run", summary: "Run signed modules behind HTTP, with default providers, on a host in this process" },
      { name: "up", summary: "Start a host as a service (-d detaches, -f reads a host file)" },
      { name: "down", summary: "Drain and stop a host of this machine" },
      { name: "doctor", summary: "Check this machine, each line with its fix" },
      { name: "version", summary: "Versions of lattice, Node and V8" },
    ],
  },
  {
    title: "Build",
    commands: [
      { name: "inspect", summary: "Say everything about a module that can be known without running it" },
      {
        name: "claims",
        summary: "Sign modules and read their claims",
        words: ["inspect", "sign", "token"],
      },
      { name: "keys", summary: "Make and find signing keys", words: ["gen", "get", "list"] },
      {
        name: "par",
        summary: "Make and read provider archives (.par)",
        words: ["create", "insert", "inspect", "extract"],
      },
    ],
  },
  {
    title: "Lattice",
    commands: [
      {
        name: "get",
        summary: "List what a host holds",
        words: ["hosts", "inventory", "actors", "providers", "links", "claims", "events"],
      },
      { name: "describe", summary: "Show one actor, provider or host in full" },
      { name: "explain", summary: "Show the path a call would take, and what holds it back" },
      { name: "call", summary: "Call one operation of an actor" },
      { name: "spy", summary: "Show calls of an actor and to it as they happen" },
      { name: "logs", summary: "Print the log of an actor" },
      { name: "top", summary: "Show what actors do now, the busiest first" },
      { name: "wait", summary: "Wait until something runs, or is gone" },
      { name: "start", summary: "Start an actor or a provider", words: ["actor", "provider"] },
      { name: "stop", summary: "Stop an actor, a provider or a host", words: ["actor", "provider", "host"] },
      { name: "scale", summary: "Set how many instances of an actor may run" },
      { name: "update", summary: "Replace a running actor by another revision", words: ["actor"] },
      { name: "swap", summary: "Put another provider in the place of a running one, without losing a call" },
      { name: "drain", summary: "Let a host or provider finish what it holds and take no more" },
      { name: "link", summary: "Allow an actor to use a provider", words: ["put", "del", "query"] },
      { name: "label", summary: "Set labels of a host", words: ["put", "del"] },
      {
        name: "config",
        summary: "Values that links share under names; settings and where each comes from",
        words: ["put", "get", "list", "del", "view"],
      },
      {
        name: "secret",
        summary: "Keep secrets of links in the lattice, sealed",
        words: ["put", "get", "list", "del"],
      },
    ],
  },
  {
    title: "Configure",
    commands: [
      {
        name: "ctx",
        summary: "Name lattices and choose one",
        words: ["list", "new", "use", "show", "edit", "del"],
      },
      { name: "completions", summary: "Print shell completions", words: ["bash", "zsh", "fish"] },
    ],
  },
];

/** Commands that the design knows and this build does not carry: named honestly instead of guessed at. */
export const commandsElsewhere: readonly string[] = [
  "new",
  "build",
  "dev",
  "app",
  "push",
  "pull",
  "reg",
  "registry",
  "k8s",
];

/** Options that every command takes, for help and completions. */
export const commonOptions: readonly { readonly flags: string; readonly summary: string }[] = [
  { flags: "-o, --output FORMAT", summary: "table, wide, json, yaml, name; jsonl for streams" },
  { flags: "--no-headers", summary: "tables without their first line" },
  { flags: "--color WHEN", summary: "auto, always or never (also NO_COLOR, FORCE_COLOR)" },
  { flags: "-q, --quiet", summary: "no progress and no notes, only results, warnings and errors" },
  { flags: "-v, --verbose", summary: "more on stderr, and the stack of an error" },
];

export function helpText(): string {
  const width = 12;
  const lines = ["Usage: lattice COMMAND [ARGUMENTS] [OPTIONS]", ""];
  lines.push("Runs signed WebAssembly actors and capability providers on a lattice of hosts.", "");
  for (const { title, commands } of commandGroups) {
    lines.push(`${title}:`);
    for (const { name, summary, words } of commands) {
      lines.push(`  ${name.padEnd(width)}${summary}${words ? ` (${words.join(", ")})` : ""}`);
    }
    lines.push("");
  }
  lines.push("Options of every command:");
  for (const { flags, summary } of commonOptions) lines.push(`  ${flags.padEnd(22)}${summary}`);
  lines.push("", "lattice COMMAND --help says more. Try: lattice run MODULE.wasm", "");
  return lines.join("\n");
}
