#!/usr/bin/env node
// The launcher of the `lattice` command: plain JavaScript that any Node can start, and quick.
// It answers help and version itself, hands everything else to cli/main (from source in a
// checkout, compiled in the package), and where this Node is too old to run actors it starts
// itself again on the Node that the checkout brings.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import * as module from "node:module";
import { constants, homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const oldestMajor = 24;
const oldestMinor = 20;
const preconditionMissing = 7;

const root = fileURLToPath(new URL("..", import.meta.url));
const fromSource = existsSync(join(root, "cli", "main.ts"));
const given = process.argv.slice(2);
const [first] = given;
const recent = recentEnough(process.versions.node);

if (first === "--version" || first === "-V") {
  process.stdout.write(`lattice ${JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version}\n`);
} else if ((first === undefined || first === "--help" || first === "-h" || isBareHelp()) && (recent || !fromSource)) {
  process.stdout.write((await room("help")).helpText());
} else if (recent) {
  // In the user's own folder: a shared temporary one would let others plant code.
  module.enableCompileCache?.(join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "wasmlattice", "compiled"));
  await (await room("main")).main(given);
} else {
  const bundled = bundledNode();
  if (bundled === undefined) refuse();
  else rerun(bundled);
}

function isBareHelp() {
  return first === "help" && given.length === 1;
}

/** @param {string} name of a file in cli/ */
function room(name) {
  const file = fromSource ? join(root, "cli", `${name}.ts`) : join(root, "dist", "cli", `${name}.js`);
  return import(pathToFileURL(file).href);
}

/** @param {string} version */
function recentEnough(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
}

/** The Node of the optional dependency for this platform, when it is installed. */
function bundledNode() {
  try {
    const manifest = module
      .createRequire(import.meta.url)
      .resolve(`node-${process.platform}-${process.arch}/package.json`);
    const file = join(manifest, "..", "bin", process.platform === "win32" ? "node.exe" : "node");
    return existsSync(file) ? file : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Runs the same command on another Node; signals go there, its end becomes ours. A Ctrl-C on a
 * terminal reaches both processes, so the command counts signals that come close together as one.
 * @param {string} node
 */
function rerun(node) {
  // Before the child is there: a signal that comes while it starts is its own already.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR2"]) {
    process.on(signal, () => child.kill(signal));
  }
  const child = spawn(node, [...process.execArgv, fileURLToPath(import.meta.url), ...given], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    // The channel carries no messages: when it closes, the command knows that its launcher is gone.
    env: { ...process.env, WASMLATTICE_LAUNCHED: "1" },
  });
  child.on("error", (error) => {
    process.stderr.write(`error: cannot start ${node}: ${error.message}\n`);
    process.exit(preconditionMissing);
  });
  child.on("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}

function refuse() {
  const needed = `${oldestMajor}.${oldestMinor}`;
  const error = `Node ${process.versions.node} cannot run actors; ${needed} or newer is needed (guests wait through JavaScript Promise Integration, which older ones lack)`;
  const hint = `Install Node ${needed} or newer, or run npm ci in a checkout on a platform that has a bundled one.`;
  const json = given.some(
    (word, at) =>
      /^(-o=?|--output=)json$/.test(word) || (word === "json" && /^(-o|--output)$/.test(given[at - 1] ?? "")),
  );
  process.stderr.write(
    json
      ? `${JSON.stringify({ success: false, error, code: "NODE_TOO_OLD", kind: "unavailable", hint })}\n`
      : `error: ${error}\n  hint: ${hint}\n`,
  );
  process.exitCode = preconditionMissing;
}
