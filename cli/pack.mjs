// Before and after `npm pack`: the manifest of a checkout runs from source and brings a Node of its
// own; the one in the package points at compiled code and leaves the user's Node alone.
//   node cli/pack.mjs before   compiles to dist/ and writes the package's manifest
//   node cli/pack.mjs after    puts the checkout's manifest back
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const manifestFile = join(root, "package.json");
const kept = join(root, "dist", "package.checkout.json");

/** @param {string | Record<string, unknown>} target "./lattice/index.ts" or conditions */
function compiled(target) {
  if (typeof target !== "string" || !target.endsWith(".ts")) return target;
  const stem = target.replace(/^\.\//, "./dist/").replace(/\.ts$/, "");
  return { types: `${stem}.d.ts`, default: `${stem}.js` };
}

function before() {
  // A pack that was cut short left the package's manifest in place.
  after();
  rmSync(join(root, "dist"), { recursive: true, force: true });
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const built = spawnSync(process.execPath, [tsc, "-p", join(root, "tsconfig.build.json")], {
    // npm pack --json owns standard output.
    stdio: ["ignore", 2, 2],
  });
  if (built.status !== 0) process.exit(built.status ?? 1);

  const source = readFileSync(manifestFile, "utf8");
  const { devDependencies: _dev, scripts: _scripts, optionalDependencies = {}, ...manifest } = JSON.parse(source);
  const others = Object.entries(optionalDependencies).filter(([name]) => !/^node-\w+-\w+$/.test(name));
  manifest.exports = Object.fromEntries(
    Object.entries(manifest.exports).map(([door, target]) => [door, compiled(target)]),
  );
  if (others.length > 0) manifest.optionalDependencies = Object.fromEntries(others);
  mkdirSync(join(root, "dist"), { recursive: true });
  writeFileSync(kept, source);
  writeFileSync(manifestFile, `${JSON.stringify(manifest, undefined, 2)}\n`);
}

function after() {
  if (existsSync(kept)) renameSync(kept, manifestFile);
}

const [step] = process.argv.slice(2);
if (step === "before") before();
else if (step === "after") after();
else {
  process.stderr.write("usage: node cli/pack.mjs before|after\n");
  process.exitCode = 2;
}
