import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, sep } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Which rooms a room may import, always through their doors. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  lattice: [],
  actors: ["lattice"],
  capabilities: ["lattice"],
  host: ["lattice", "actors", "capabilities"],
  "k8s-bridge": ["lattice"],
  testing: ["lattice", "capabilities"],
  cli: ["lattice", "actors", "capabilities", "host", "k8s-bridge"],
};

/** Guests' own code and the scripts that build it: no part of the room, though they lie in its folder. */
const notOurs = /^actors[\\/](examples|sdk-[^\\/]*)([\\/]|$)/;

interface Import {
  readonly from: string;
  readonly to: string;
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => /\.(ts|mjs)$/.test(file) && !file.endsWith(".d.ts"))
    .map((file) => join(folder, file))
    .filter((file) => !notOurs.test(file));
}

/** Relative specifiers of static and dynamic imports, re-exports, `import("...")` types and `new URL`. */
function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), "utf8");
  const specifiers = [
    ...text.matchAll(/\b(?:from|import)\s*\(?\s*["'](\.[^"']+)["']/g),
    ...text.matchAll(/\bnew URL\(\s*["'](\.[^"']+\.(?:ts|js|mjs))["']/g),
  ];
  return specifiers.map(([, specifier = ""]) => ({ from: file, to: normalize(join(dirname(file), specifier)) }));
}

function problem({ from, to }: Import): string | undefined {
  const [room = ""] = from.split(sep);
  const [other = ""] = to.split(sep);
  if (other === room) return undefined;
  if (!(other in mayImport)) return `${from} imports ${to}, which is in no room`;
  if (!mayImport[room]?.includes(other)) return `${from} imports ${to}: ${room} may not import ${other}`;
  if (to !== join(other, "index.ts")) return `${from} imports ${to}: through the door ${other}/index.ts, please`;
  return undefined;
}

test("each room imports only the rooms that the floor plan allows, through their doors", () => {
  const imports = Object.keys(mayImport).flatMap((room) => sources(room).flatMap(importsOf));
  assert.ok(imports.length > 20, "the imports were found");
  assert.deepEqual(imports.map(problem).filter(Boolean), []);
});

test("the check sees an edge that the floor plan lacks, and a way round a door", () => {
  assert.match(problem({ from: "lattice/a.ts", to: "host/index.ts" }) ?? "", /may not import host/);
  assert.match(problem({ from: "capabilities/x/a.ts", to: "actors/pool.ts" }) ?? "", /may not import actors/);
  assert.match(problem({ from: "host/a.ts", to: "lattice/errors.ts" }) ?? "", /through the door/);
  assert.match(problem({ from: "cli/a.ts", to: "test/support/x.ts" }) ?? "", /in no room/);
  assert.equal(problem({ from: "host/a.ts", to: "lattice/index.ts" }), undefined);
});

test("a door re-exports and does nothing else", () => {
  for (const door of ["index.ts", ...Object.keys(mayImport).map((room) => join(room, "index.ts"))]) {
    let text: string;
    try {
      text = readFileSync(join(root, door), "utf8");
    } catch {
      continue;
    }
    const rest = text
      .replaceAll(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, "")
      .replaceAll(/export\s+(?:type\s+)?(?:\*|\{[^}]*\})\s*(?:as\s+\w+\s*)?from\s*["'][^"']+["'];?/g, "")
      .trim();
    assert.equal(rest, "", `${door} holds more than re-exports`);
  }
});

test("benchmarks and tests come in through the doors, except a room's own tests and their helpers", () => {
  const files = ["index.ts", ...sources("test"), ...sources("bench")];
  const around = files.flatMap(importsOf).filter(({ from, to }) => {
    const [room = ""] = to.split(sep);
    const own = from.startsWith(join("test", room, sep)) || from.startsWith(join("test", "support", sep));
    return room in mayImport && !notOurs.test(to) && to !== join(room, "index.ts") && !own;
  });
  assert.deepEqual(
    around.map(({ from, to }) => `${from} imports ${to}`),
    [],
  );
});
