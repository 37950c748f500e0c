// Runs the whole suite with Node's own runner; a path narrows it: npm test -- test/lattice
import { spawnSync } from "node:child_process";

const wanted = process.argv.slice(2);
const files =
  wanted.length > 0
    ? wanted.map((path) => (path.endsWith(".ts") ? path : `${path}/**/*.test.ts`))
    : ["test/**/*.test.ts"];
/** A file that hangs fails, rather than the whole run with it. */
const longestMs = 900_000;
const concurrency = process.env.TEST_CONCURRENCY ?? "2";
const result = spawnSync(
  process.execPath,
  ["--test", `--test-concurrency=${concurrency}`, `--test-timeout=${longestMs}`, "--test-reporter=spec", ...files],
  { stdio: "inherit" },
);
process.exit(result.status ?? 1);
