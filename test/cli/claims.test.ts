import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Home, checkout, documentOf, failureOf } from "../support/cli.ts";
import { assemble, echoText } from "../support/guests.ts";
import { Wash, withoutWash } from "../support/wash.ts";

const signedEcho = join(checkout, "actors", "examples", "echo-c", "echo.wasm");

function bareModule(home: Home, name = "echo.wasm"): string {
  const file = join(home.path, name);
  writeFileSync(file, assemble(echoText));
  return file;
}

describe("claims sign", () => {
  test("makes keys on first use, says so, keeps them for this user alone and uses them again", async () => {
    await using home = new Home();
    bareModule(home);
    const first = await home.run(["claims", "sign", "echo.wasm", "-n", "Echo", "-q", "-o", "json"]);
    const { destination, capabilities, module, account } = documentOf(first);
    assert.deepEqual([destination, capabilities], ["echo_s.wasm", ["wasmcloud:httpserver"]]);
    assert.match(
      first.stderr,
      /Made account key A\w+ in .*user_account\.nk\nMade module key M\w+ in .*echo_module\.nk/,
    );
    const keys = join(home.path, "config", "wasmlattice", "keys");
    assert.equal(statSync(keys).mode & 0o777, 0o700);
    for (const name of readdirSync(keys)) assert.equal(statSync(join(keys, name)).mode & 0o777, 0o600);
    const second = await home.run(["claims", "sign", "echo.wasm", "-d", "again.wasm", "-o", "json"]);
    assert.equal(second.stderr, "");
    assert.deepEqual([documentOf(second).module, documentOf(second).account], [module, account]);
  });

  test("makes no key for what it cannot sign, and says in words what a file is", async () => {
    await using home = new Home();
    mkdirSync(join(home.path, "folder"));
    writeFileSync(join(home.path, "text.txt"), "hello");
    const [text, folder] = [
      await home.run(["claims", "sign", "text.txt", "-o", "json"]),
      await home.run(["claims", "sign", "folder", "-o", "json"]),
    ];
    assert.equal(failureOf(text).code, "MODULE_NOT_WASM");
    assert.equal(failureOf(folder).error, "cannot read folder: it is a folder");
    assert.equal(existsSync(join(home.path, "config", "wasmlattice", "keys")), false);
    bareModule(home);
    const endless = await home.run(["claims", "sign", "echo.wasm", "-i", "/dev/zero", "-o", "json"]);
    assert.match(String(failureOf(endless).error), /cannot read \/dev\/zero: it has more than \d+ bytes/);
    const bare = await home.run(["claims", "sign", "echo.wasm"]);
    assert.equal(bare.stdout, "Successfully signed echo_s.wasm without capabilities\n");
  });

  test("knows wash's flags and letters", async () => {
    await using home = new Home();
    bareModule(home);
    const letters = ["-k", "-g", "-q", "--http_client", "-f", "-z", "-l", "-e", "-c", "acme:one", "--cap", "acme:two"];
    const more = [
      "-n",
      "My Echo",
      "-t",
      "a",
      "-t",
      "b,c",
      "-r",
      "7",
      "-v",
      "1.2.3",
      "-a",
      "my/echo",
      "-x",
      "3",
      "-b",
      "0",
    ];
    const signed = documentOf(await home.run(["claims", "sign", "echo.wasm", ...letters, ...more, "-o", "json"]));
    assert.deepEqual(signed.capabilities, [
      "wasmcloud:keyvalue",
      "wasmcloud:messaging",
      "wasmcloud:httpclient",
      "wasmcloud:httpserver",
      "wasmcloud:blobstore",
      "wasmcloud:builtin:numbergen",
      "wasmcloud:builtin:logging",
      "wasmcloud:eventstreams",
      "acme:one",
      "acme:two",
    ]);
    const report = documentOf(await home.run(["inspect", "echo_s.wasm", "-o", "json"]));
    assert.deepEqual(
      [report.name, report.tags, report.revision, report.version, report.call_alias, report.valid, report.module],
      ["My Echo", ["a", "b", "c"], 7, "1.2.3", "my/echo", true, signed.module],
    );
    const days = (Date.parse(String(report.expires_at)) - Date.now()) / 86_400_000;
    assert.ok(days > 2.9 && days <= 3, String(days));
  });

  test("takes seeds from files and standard input, never from the line", async () => {
    await using home = new Home();
    bareModule(home);
    const { public_key, directory } = documentOf(
      await home.run(["keys", "gen", "account", "--save", "mine", "-o", "json"]),
    );
    const file = join(String(directory), "mine.nk");
    const seed = readFileSync(file, "utf8");
    const sign = ["claims", "sign", "echo.wasm", "-o", "json"];
    assert.equal(documentOf(await home.run([...sign, "-i", file])).account, public_key);
    assert.equal(documentOf(await home.run([...sign, "-i", "-"], { input: seed })).account, public_key);
    assert.equal(documentOf(await home.run(sign, { env: { WASH_ISSUER_KEY: file } })).account, public_key);
    const literal = await home.run([...sign, "-i", seed.trim()]);
    assert.deepEqual([literal.code, failureOf(literal).code], [2, "USAGE"]);
    assert.doesNotMatch(literal.stderr, new RegExp(seed.trim()));
    const wrong = await home.run([...sign, "-s", file]);
    assert.deepEqual([wrong.code, failureOf(wrong).code], [2, "KEY_WRONG_KIND"]);
    const none = await home.run([...sign, "--disable-keygen", "--directory", join(home.path, "empty")]);
    assert.deepEqual([none.code, failureOf(none).code], [3, "KEY_ABSENT"]);
  });

  test("uses ~/.wash/keys when it exists, and the folder of a variable before that", async () => {
    await using home = new Home();
    bareModule(home);
    const folder = join(home.path, ".wash", "keys");
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    await home.run(["claims", "sign", "echo.wasm"]);
    assert.deepEqual(readdirSync(folder).toSorted(), ["echo_module.nk", "user_account.nk"]);
    const other = join(home.path, "other");
    await home.run(["claims", "sign", "echo.wasm"], { env: { WASH_KEYS: other } });
    assert.equal(readdirSync(other).length, 2);
  });

  test("refuses what wash refuses", async () => {
    await using home = new Home();
    bareModule(home);
    const sign = ["claims", "sign", "echo.wasm"];
    assert.equal((await home.run([...sign, "-r", "one"])).code, 2);
    assert.equal((await home.run([...sign, "-a", "Not An Alias"])).code, 2);
    assert.equal((await home.run([...sign, "-p", "-q", "-k"])).code, 2);
    assert.equal((await home.run([...sign, "-x", "-1"])).code, 2);
    writeFileSync(join(home.path, "no.wasm"), "text");
    assert.equal((await home.run(["claims", "sign", "no.wasm"])).code, 2);
  });

  test("signs what the real wash accepts, and reads what it signs", { skip: withoutWash }, async () => {
    await using home = new Home();
    using wash = new Wash();
    const file = bareModule(home);
    const oursFile = join(home.path, "ours.wasm");
    const theirsFile = join(home.path, "theirs.wasm");
    const shown = async (module: string) => {
      const { expires, ...rest } = documentOf(await home.run(["claims", "inspect", module, "-o", "json"]));
      const { expires: theirExpires, ...theirRest } = wash.json("claims", "inspect", module);
      assert.deepEqual(rest, theirRest);
      // A second may pass between the two.
      assert.equal(String(expires).replace(/\d/, "#"), String(theirExpires).replace(/\d/, "#"));
    };
    await home.run(["claims", "sign", "echo.wasm", "-q", "-n", "Ours", "-r", "2", "-a", "our/echo", "-d", oursFile]);
    await shown(oursFile);
    wash.run("claims", "sign", file, "-n", "Theirs", "-q", "-k", "-x", "5", "-d", theirsFile);
    await shown(theirsFile);
    const report = documentOf(await home.run(["inspect", theirsFile, "--check", "-o", "json"]));
    assert.deepEqual([report.name, report.valid], ["Theirs", true]);
    const token = (await home.run(["claims", "inspect", theirsFile, "--jwt-only"])).stdout.trim();
    assert.equal(token, wash.run("claims", "inspect", theirsFile, "--jwt-only").trim());
    // The same folder of seeds serves both.
    const again = await home.run(["claims", "sign", "echo.wasm", "--directory", wash.file("keys"), "-o", "json"]);
    assert.equal(documentOf(again).module, report.module);
  });
});

describe("claims token", () => {
  test("prints tokens of every kind, made and named as wash does", async () => {
    await using home = new Home();
    const bodyOf = async (...args: string[]) => {
      const { token } = documentOf(await home.run(["claims", "token", ...args, "--directory", "keys", "-o", "json"]));
      return JSON.parse(Buffer.from(String(token).split(".")[1] ?? "", "base64url").toString()) as {
        iss: string;
        sub: string;
        wascap: Record<string, unknown>;
      };
    };
    const actor = await bodyOf("actor", "-n", "one", "-q", "-v", "1.0");
    assert.deepEqual(
      [actor.sub[0], actor.iss[0], actor.wascap.caps, actor.wascap.ver],
      ["M", "A", ["wasmcloud:httpserver"], "1.0"],
    );
    const provider = await bodyOf("provider", "-n", "two", "-c", "acme:x", "-v", "Acme", "-r", "3", "-e", "0.1");
    assert.deepEqual(
      [provider.sub[0], provider.wascap],
      ["V", { name: "two", capid: "acme:x", vendor: "Acme", rev: 3, ver: "0.1", target_hashes: {} }],
    );
    const account = await bodyOf("account", "-n", "three", "-a", join(home.path, "keys", "user_account.nk"));
    assert.deepEqual([account.sub, account.iss[0], account.wascap.valid_signers], [actor.iss, "O", [actor.iss]]);
    const operator = await bodyOf("operator", "-n", "four");
    assert.deepEqual([operator.sub, operator.sub[0]], [operator.iss, "O"]);
    assert.deepEqual(readdirSync(join(home.path, "keys")).toSorted(), [
      "four_operator.nk",
      "one_module.nk",
      "three_operator.nk",
      "two_service.nk",
      "user_account.nk",
    ]);
    assert.equal((await home.run(["claims", "token", "provider", "-n", "x"])).code, 2);
  });
});

describe("inspect", () => {
  test("says everything of an actor in the documented keys", async () => {
    await using home = new Home();
    const report = documentOf(await home.run(["inspect", signedEcho, "-o", "json"]));
    const identity = "kind era module account name version revision call_alias capabilities tags";
    const rest = "issued_at expires_at not_before hash valid problems imports exports size";
    for (const key of `${identity} ${rest}`.split(" ")) assert.ok(key in report, key);
    assert.deepEqual([report.kind, report.valid, report.problems], ["actor", true, []]);
    assert.match((await home.run(["inspect", signedEcho])).stdout, /^File: .*\nKind: +actor\n/);
    assert.equal(
      (await home.run(["inspect", "-", "-o", "name"], { input: readFileSync(signedEcho) })).stdout.trim(),
      report.module,
    );
  });

  test("exits with 0 for a bad module, and with 4 when checking, with every problem named", async () => {
    await using home = new Home();
    bareModule(home);
    const bare = await home.run(["inspect", "echo.wasm", "-o", "json"]);
    assert.deepEqual([documentOf(bare).valid, documentOf(bare).kind], [false, "actor"]);
    const checked = await home.run(["inspect", "echo.wasm", "--check", "-o", "json"]);
    assert.deepEqual([checked.code, failureOf(checked).code], [4, "MODULE_UNSIGNED"]);
    assert.equal((JSON.parse(checked.stdout) as { valid: boolean }).valid, false);
    assert.equal((await home.run(["inspect", signedEcho, "--check"])).code, 0);
    writeFileSync(join(home.path, "text.wasm"), "hello");
    const text = await home.run(["inspect", "text.wasm", "-o", "json"]);
    assert.deepEqual([text.code, (JSON.parse(text.stdout) as { kind: string }).kind], [2, "unknown"]);
    assert.equal((await home.run(["inspect", "absent.wasm"])).code, 3);
  });
});

describe("keys", () => {
  test("are made for every kind, printed once, and never written over", async () => {
    await using home = new Home();
    for (const [kind, letter] of Object.entries({
      account: "A",
      user: "U",
      module: "M",
      actor: "M",
      service: "V",
      provider: "V",
      server: "N",
      host: "N",
      operator: "O",
      cluster: "C",
      curve: "X",
    })) {
      const { public_key, seed } = documentOf(await home.run(["keys", "gen", kind, "-o", "json"]));
      assert.equal(String(public_key)[0], letter);
      assert.equal(String(seed).slice(0, 2), `S${letter}`);
    }
    assert.equal((await home.run(["keys", "gen", "nonsense"])).code, 2);
    assert.equal((await home.run(["keys", "gen", "account", "--save", "a"])).code, 0);
    const twice = await home.run(["keys", "gen", "account", "--save", "a", "-o", "json"]);
    assert.deepEqual([twice.code, failureOf(twice).code], [6, "KEY_EXISTS"]);
    assert.equal((await home.run(["keys", "gen", "account", "--save", "../a"])).code, 2);
  });

  test("are listed and found by name, as wash keeps them", async () => {
    await using home = new Home();
    await home.run(["keys", "gen", "account", "--save", "user_account", "-d", "keys"]);
    await home.run(["keys", "gen", "module", "--save", "a_module", "-d", "keys"]);
    const list = documentOf(await home.run(["keys", "list", "-d", "keys", "-o", "json"]));
    assert.deepEqual(list.keys, ["a_module", "user_account"]);
    const { seed } = documentOf(await home.run(["keys", "get", "a_module.nk", "-d", "keys", "-o", "json"]));
    assert.equal((await home.run(["keys", "get", "a_module", "-d", "keys"])).stdout.trim(), seed);
    assert.match((await home.run(["keys", "get", "a_module", "--public", "-d", "keys"])).stdout, /^M\w{55}\n$/);
    const absent = await home.run(["keys", "get", "b", "-d", "keys", "-o", "json"]);
    assert.deepEqual([absent.code, failureOf(absent).code], [3, "KEY_ABSENT"]);
  });
});

describe("completions", () => {
  test("are scripts that their shells can read", async () => {
    await using home = new Home();
    for (const shell of ["bash", "zsh", "fish"]) {
      const { stdout, code } = await home.run(["completions", shell]);
      assert.equal(code, 0);
      for (const word of ["explain", "inventory", "doctor"]) assert.ok(stdout.includes(word), `${shell}: ${word}`);
      const found = spawnSync(shell, ["-n"], { input: stdout, encoding: "utf8" });
      if (found.error === undefined) assert.equal(found.status, 0, found.stderr);
    }
    const { stdout } = await home.run(["completions", "bash"]);
    const script = `${stdout}\nCOMP_WORDS=(lattice get inv); COMP_CWORD=2; _lattice; echo "\${COMPREPLY[@]}"`;
    assert.equal(execFileSync("bash", ["-c", script], { encoding: "utf8" }).trim(), "inventory");
  });
});

describe("config view", () => {
  test("says which variable or file each setting comes from, ours before wash's, and shows no seed", async () => {
    await using home = new Home();
    const view = async (env: NodeJS.ProcessEnv) => {
      const finished = await home.run(["config", "view", "--show-origin", "-o", "json"], { env });
      return documentOf(finished).settings as Record<string, { value: string; origin: string }>;
    };
    assert.equal((await view({})).lattice?.origin, "default");
    assert.deepEqual((await view({ WASMCLOUD_LATTICE_PREFIX: "theirs" })).lattice, {
      value: "theirs",
      origin: "$WASMCLOUD_LATTICE_PREFIX",
    });
    const both = await view({ WASMCLOUD_LATTICE_PREFIX: "theirs", LATTICE_NAME: "ours" });
    assert.deepEqual(both.lattice, { value: "ours", origin: "$LATTICE_NAME" });
    const seed = `SA${"A".repeat(56)}`;
    assert.doesNotMatch(JSON.stringify(await view({ WASH_ISSUER_KEY: seed })), /AAAAAA/);
    const contexts = join(home.path, ".wash", "contexts");
    mkdirSync(contexts, { recursive: true });
    writeFileSync(join(contexts, "index.json"), '{"name":"mine"}');
    writeFileSync(join(contexts, "mine.json"), '{"lattice_prefix":"from-context"}');
    assert.equal((await view({})).lattice?.value, "from-context");
    chmodSync(contexts, 0o700);
  });
});
