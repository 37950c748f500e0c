import type { Command } from "commander";
import { group, leaf } from "../command.ts";
import { commandGroups, commonOptions } from "../help.ts";

const shells = {
  bash: { script: bash, install: "source <(lattice completions bash)" },
  zsh: { script: zsh, install: "lattice completions zsh > ~/.zfunc/_lattice   (with ~/.zfunc in fpath)" },
  fish: { script: fish, install: "lattice completions fish > ~/.config/fish/completions/lattice.fish" },
} as const;

export function command(): Command {
  return group(
    "completions",
    "print shell completions",
    Object.entries(shells).map(([shell, { script, install }]) =>
      leaf({
        name: shell,
        summary: `completions for ${shell}`,
        more: `Install:\n  ${install}`,
        work: async ({ output }) => output.text(script().trimEnd()),
      }),
    ),
  );
}

const commands = commandGroups.flatMap((one) => one.commands);
const names = commands.map(({ name }) => name);
const longOptions = ["--help", ...commonOptions.map(({ flags }) => /--[a-z-]+/.exec(flags)?.[0] ?? "")];
const formatWords = "table wide json yaml name jsonl";

function forZsh(text: string): string {
  return text.replaceAll("'", "'\\''").replaceAll(":", "\\:");
}

function forFish(text: string): string {
  return text.replaceAll("'", "\\'");
}

function bash(): string {
  return `# lattice completions for bash
_lattice() {
  local cur prev first
  cur="\${COMP_WORDS[COMP_CWORD]}"
  prev="\${COMP_WORDS[COMP_CWORD-1]}"
  first="\${COMP_WORDS[1]}"
  case "$prev" in
    -o|--output) COMPREPLY=($(compgen -W "${formatWords}" -- "$cur")); return ;;
    --color) COMPREPLY=($(compgen -W "auto always never" -- "$cur")); return ;;
  esac
  if [[ "$cur" == -* ]]; then
    COMPREPLY=($(compgen -W "${longOptions.join(" ")}" -- "$cur"))
    return
  fi
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W "${names.join(" ")}" -- "$cur"))
    return
  fi
  if [[ $COMP_CWORD -eq 2 ]]; then
    case "$first" in
${commands.flatMap(({ name, words }) => (words ? [`      ${name}) COMPREPLY=($(compgen -W "${words.join(" ")}" -- "$cur")); return ;;`] : [])).join("\n")}
    esac
  fi
  COMPREPLY=($(compgen -f -- "$cur"))
}
complete -o filenames -F _lattice lattice
`;
}

function zsh(): string {
  return `#compdef lattice
# lattice completions for zsh
_lattice() {
  local -a commands
  if (( CURRENT == 2 )); then
    commands=(
${commands.map(({ name, summary }) => `      '${name}:${forZsh(summary)}'`).join("\n")}
    )
    _describe 'command' commands
    return
  fi
  case "\${words[CURRENT-1]}" in
    -o|--output) compadd ${formatWords}; return ;;
    --color) compadd auto always never; return ;;
  esac
  if (( CURRENT == 3 )); then
    case "\${words[2]}" in
${commands.flatMap(({ name, words }) => (words ? [`      ${name}) compadd ${words.join(" ")}; return ;;`] : [])).join("\n")}
    esac
  fi
  if [[ "\${words[CURRENT]}" == -* ]]; then
    compadd -- ${longOptions.join(" ")}
    return
  fi
  _files
}
compdef _lattice lattice
`;
}

function fish(): string {
  const lines = ["# lattice completions for fish"];
  for (const { name, summary, words } of commands) {
    lines.push(`complete -c lattice -n __fish_use_subcommand -a ${name} -d '${forFish(summary)}'`);
    if (words) lines.push(`complete -c lattice -n '__fish_seen_subcommand_from ${name}' -a '${words.join(" ")}'`);
  }
  for (const { flags, summary } of commonOptions) {
    const [, short] = /^-(\w),/.exec(flags) ?? [];
    const [, long] = /--([a-z-]+)/.exec(flags) ?? [];
    lines.push(`complete -c lattice ${short ? `-s ${short} ` : ""}-l ${long} -d '${forFish(summary)}'`);
  }
  return `${lines.join("\n")}\n`;
}
