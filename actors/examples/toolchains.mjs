/**
 * The compilers that make guests, each found on this machine or missing with a reason.
 *
 * A toolchain is `{ missing?: string, build(source, output) }`: `source` is a folder (Rust, a package
 * of a cargo workspace) or a file (C, AssemblyScript, text format); `output` is the module to write.
 * No path of this machine gets into a module: prefixes are mapped away and `ownPaths` finds leftovers.
 */
import { execFileSync } from "node:child_process";
import { accessSync, constants, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { basename, delimiter, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const repository = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const require = createRequire(import.meta.url);

/** Full path of a program: from the environment variable `variable` when set, else from PATH. */
export function program(name, variable) {
  const candidates = process.env[variable]
    ? [process.env[variable]]
    : (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, name));
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function run(command, args, options = {}) {
  try {
    return execFileSync(command, args, { stdio: ["ignore", "pipe", "pipe"], maxBuffer: 64 << 20, ...options });
  } catch (error) {
    throw new Error(`${basename(command)} ${args.join(" ")}\n${error.stderr ?? error.message}`);
  }
}

/** AssemblyScript: a development dependency, so always there after `npm ci`. */
function assemblyScript() {
  let asc;
  try {
    asc = join(dirname(require.resolve("assemblyscript/package.json")), "bin/asc.js");
  } catch {
    return { missing: "assemblyscript is not installed; run npm ci" };
  }
  return {
    build(source, output) {
      const entry = relative(repository, source);
      // The compiler names the abort function by the entry file without its extension.
      const abort = `${entry.replace(/\.ts$/, "")}/abort`;
      run(process.execPath, [asc, entry, "-o", output, "--use", `abort=${abort}`, "-Oz", "--noAssert"], {
        cwd: repository,
      });
    },
  };
}

/** C without a library: clang and wasm-ld, and wasm-opt to make it smaller where there is one. */
function c() {
  const clang = program("clang", "CLANG");
  const linker = program("wasm-ld", "WASM_LD");
  const optimizer = program("wasm-opt", "WASM_OPT");
  if (!clang || !linker) return { missing: `no ${clang ? "wasm-ld" : "clang"}; Debian: apt-get install clang lld` };
  return {
    build(source, output) {
      const object = `${output}.o`;
      run(clang, ["--target=wasm32", "-Oz", "-nostdlib", "-ffreestanding", "-c", source, "-o", object]);
      run(linker, ["--no-entry", "--strip-all", "-z", "stack-size=4096", object, "-o", output]);
      if (optimizer) run(optimizer, ["-Oz", output, "-o", output]);
      rmSync(object);
    },
  };
}

/** What today's rustc uses of WebAssembly without being asked; wasm-opt wants to be told. */
const rustFeatures = ["mutable-globals", "sign-ext", "nontrapping-float-to-int", "bulk-memory", "multivalue", "reference-types"]
  .map((name) => `--enable-${name}`);

/**
 * Rust for wasm32-unknown-unknown. Either `rustup target add wasm32-unknown-unknown` was done, or the
 * sources of std are at hand and cargo builds it: `rustup component add rust-src`, or Debian's
 * rustc-web packages unpacked into the folder that RUST_WASM_PREFIX names (docs/actors.md).
 */
function rust() {
  const cargo = program("cargo", "CARGO");
  if (!cargo) return { missing: "no cargo" };
  const prefix = process.env.RUST_WASM_PREFIX && resolve(process.env.RUST_WASM_PREFIX);
  const rustc = prefix ? join(prefix, "usr/bin/rustc") : program("rustc", "RUSTC");
  if (!rustc || !existsSync(rustc)) return { missing: `no rustc${prefix ? ` in ${prefix}` : ""}` };
  const env = { ...process.env, RUSTC: rustc };
  if (prefix) env.LD_LIBRARY_PATH = join(prefix, "usr/lib/x86_64-linux-gnu");
  const sysroot = run(rustc, ["--print", "sysroot"], { env }).toString().trim();
  const ready = existsSync(join(sysroot, "lib/rustlib/wasm32-unknown-unknown/lib"));
  if (!ready && !existsSync(join(sysroot, "lib/rustlib/src/rust/library"))) {
    return { missing: "rustc has no wasm32-unknown-unknown; see docs/actors.md for ways to get it" };
  }
  const optimizer = program("wasm-opt", "WASM_OPT");
  const linker = prefix && program("wasm-ld", "WASM_LD");
  if (prefix && !linker) return { missing: "no wasm-ld; Debian: apt-get install lld" };
  const cargoHome = process.env.CARGO_HOME ?? join(homedir(), ".cargo");
  env.CARGO_TARGET_DIR ??= join(repository, ".cache/cargo");
  const own = [repository, join(cargoHome, "registry/src"), sysroot, prefix, env.CARGO_TARGET_DIR].filter(Boolean);
  env.RUSTFLAGS = [
    ...(linker ? [`-Clinker=${linker}`] : []),
    ...own.map((path) => `--remap-path-prefix=${path}=`),
  ].join(" ");
  if (!ready) env.RUSTC_BOOTSTRAP = "1";
  const std = ready ? [] : ["-Z", "build-std=std,panic_abort"];
  return {
    build(source, output) {
      run(cargo, ["build", "--locked", "-j2", ...std, "--release", "--target", "wasm32-unknown-unknown"], {
        cwd: source,
        env,
      });
      const name = /^name = "([^"]+)"/m.exec(readFileSync(join(source, "Cargo.toml"), "utf8"))[1];
      const made = join(env.CARGO_TARGET_DIR, `wasm32-unknown-unknown/release/${name.replaceAll("-", "_")}.wasm`);
      if (optimizer) run(optimizer, [...rustFeatures, "-Oz", made, "-o", output]);
      else copyFileSync(made, output);
    },
  };
}

/** Text format, assembled by wabt, a development dependency. */
function text() {
  let wabt;
  try {
    wabt = dirname(require.resolve("wabt/package.json"));
  } catch {
    return { missing: "wabt is not installed; run npm ci" };
  }
  return {
    build(source, output) {
      run(process.execPath, [join(wabt, "bin/wat2wasm"), source, "-o", output]);
    },
  };
}

const makers = { assemblyscript: assemblyScript, c, rust, text };
const found = new Map();

/** The toolchain of a language, looked for once. */
export function toolchain(language) {
  if (!found.has(language)) found.set(language, makers[language]());
  return found.get(language);
}

/** Builds one guest. Answers undefined, or why it was skipped. */
export function build(language, source, output) {
  const tool = toolchain(language);
  if (tool.missing) return tool.missing;
  mkdirSync(dirname(output), { recursive: true });
  tool.build(source, output);
  const leaks = ownPaths(readFileSync(output));
  if (leaks.length > 0) throw new Error(`${output} holds paths of this machine: ${leaks.join(", ")}`);
  return undefined;
}

/**
 * Paths of this machine inside a module: under the home folder, the repository or a temporary folder.
 * A folder of one name, such as /src, is not looked for: it is part of every crate's path.
 */
export function ownPaths(bytes) {
  const text = bytes.toString("latin1");
  return [homedir(), repository, process.env.RUST_WASM_PREFIX, "/home/", "/tmp/", "/Users/"]
    .filter((path) => path && (path === "/root" || path.split("/").length > 2))
    .filter((path) => text.includes(path));
}

/**
 * Signs with the real wash: keys are kept in, or made into, `keys`, which must lie outside the
 * repository. Another source name means another module key.
 */
export function sign(unsigned, output, flags, keys) {
  const wash = program("wash", "WASH");
  if (!wash) throw new Error("no wash; name it in WASH");
  if (!relative(repository, resolve(keys)).startsWith("..")) throw new Error(`${keys} lies inside the repository`);
  run(wash, ["claims", "sign", unsigned, "--directory", keys, "-d", output, ...flags], {
    env: { ...process.env, HOME: keys },
  });
  const report = JSON.parse(run(wash, ["claims", "inspect", output, "-o", "json"], { env: { ...process.env, HOME: keys } }));
  return { module: report.module, account: report.account };
}
