import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ActorModule } from "../index.ts";
import { example } from "./support/examples.ts";

const root = new URL("../", import.meta.url);
const readme = readFileSync(new URL("README.md", root), "utf8");
const [library = "", provider = ""] = [...readme.matchAll(/```ts\n([^]*?)```/g)].map(([, code]) => code!);

/** Runs an example as it stands, but for its import, its file and its port. */
function run(code: string, before: string, after: string): string {
  const program = code
    .replace('"wasmlattice"', JSON.stringify(new URL("index.ts", root).href))
    .replace('"kvcounter.wasm"', JSON.stringify(example("kvcounter-rust")))
    .replace("127.0.0.1:8080", "127.0.0.1:0");
  return execFileSync(process.execPath, ["--input-type=module-typescript", "-e", `${before}\n${program}\n${after}`], {
    cwd: fileURLToPath(root),
    encoding: "utf8",
    timeout: 60_000,
  });
}

test("the library example of the README runs as it is printed", () => {
  const payload = "85a66d6574686f64a3474554a470617468a22f61ab7175657279537472696e67a0a668656164657280a4626f6479c400";
  const printed = run(
    library,
    `const payload = Buffer.from("${payload}", "hex");`,
    "console.log(Buffer.from(reply).toString());",
  );
  assert.match(printed, /"counter":1/);
});

test("the provider of the README runs as it is printed, and is at most 20 lines", async () => {
  const { key } = (await ActorModule.fromFile(example("kvcounter-rust"))).claims;
  const printed = run(
    provider,
    `const actor = "${key}";`,
    `const answer = greeting.handle({ operation: "Greet", payload: Buffer.from("you"), link: { values: { word: "Hello" } } } as never);
     console.log(Buffer.from(answer as Uint8Array).toString());`,
  );
  assert.match(printed, /Hello, you/);
  const lines = provider.split("\n").filter((line) => line.trim() !== "");
  assert.ok(lines.length <= 20, `${lines.length} lines`);
});

test("the limits of the README are those of the code", () => {
  const printed = execFileSync(process.execPath, [fileURLToPath(new URL("docs/print-readme.mjs", root))], {
    encoding: "utf8",
  });
  assert.equal(readme, printed, "run: node docs/print-readme.mjs --write");
});

test("every file that the README links to is there", () => {
  for (const [, path] of readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
    assert.ok(existsSync(new URL(path!, root)), `${path} is missing`);
  }
});

test("every lattice command that the README names is in the help", () => {
  const help = execFileSync(process.execPath, [fileURLToPath(new URL("cli/lattice.mjs", root)), "--help"], {
    encoding: "utf8",
  });
  for (const [, command] of readme.matchAll(/lattice ([a-z]+)\b/g)) {
    if (["of", "that"].includes(command!)) continue;
    assert.match(help, new RegExp(`^  ${command}\\b`, "m"), `lattice ${command}`);
  }
});
