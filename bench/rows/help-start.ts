import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { inTurns, type Row } from "../harness.ts";
import { benchEnvironment, repositoryFile } from "../processes.ts";

/** `lattice --help` as the package has it, compiled, against Node doing nothing. */
export const helpStart: Row = {
  name: "help",
  short: true,
  async measure({ short }) {
    const rounds = short ? 7 : 21;
    const lattice = packedCommand();
    const compared = await inTurns(
      rounds,
      () => milliseconds([lattice, "--help"]),
      () => milliseconds(["-e", "0"]),
    );
    return [
      {
        row: "help",
        figure: "lattice --help, start to end, from the package",
        value: compared.ours,
        unit: "ms",
        peer: { name: "node -e 0", value: compared.peer },
        ratio: compared.ratio,
        how: `laid out as npm pack lays it out, compiled; ${rounds} starts in turns, medians`,
      },
    ];
  },
};

/** What `npm pack` would carry of the command, in a folder of its own, so that the checkout stays as it is. */
function packedCommand(): string {
  const folder = join(String(benchEnvironment.HOME), "package");
  const tsc = repositoryFile("node_modules/typescript/bin/tsc");
  const args = [tsc, "-p", repositoryFile("tsconfig.build.json"), "--outDir", join(folder, "dist"), "--noCheck"];
  const built = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (built.status !== 0) throw new Error(`tsc ended with ${built.status}: ${built.stdout}`);
  mkdirSync(join(folder, "cli"), { recursive: true });
  for (const file of ["cli/lattice.mjs", "package.json"]) cpSync(repositoryFile(file), join(folder, file));
  symlinkSync(repositoryFile("node_modules"), join(folder, "node_modules"));
  return join(folder, "cli", "lattice.mjs");
}

function milliseconds(args: readonly string[]): number {
  const begin = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, { env: benchEnvironment, encoding: "utf8" });
  if (status !== 0) throw new Error(`${args.join(" ")} ended with ${status}: ${stderr}`);
  return performance.now() - begin;
}
