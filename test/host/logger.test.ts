import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "../support/fast-check.ts";
import { cutText, harmless, withoutSecrets } from "../../host/harmless.ts";
import type { LogLine } from "../../host/log-ring.ts";
import { HostLogger, type LoggerOptions } from "../../host/logger.ts";
import { until } from "../support/until.ts";

function collect(options: Partial<LoggerOptions> = {}): { logger: HostLogger; lines: string[] } {
  const lines: string[] = [];
  const destination = { write: (text: string): void => void lines.push(text) };
  return { logger: new HostLogger({ level: "info", structured: true, destination, ...options }), lines };
}

function line(text: string, more: Partial<LogLine> = {}): LogLine {
  return { placement: "p1", actor: "counter", at: 1_000, level: "info", stream: "logging", text, ...more };
}

test("a structured line is JSON with time, level, message and fields", () => {
  const { logger, lines } = collect({ base: { host_id: "NABC" } });
  logger.info("host is ready", { engines: 2 });
  const { time, ...rest } = JSON.parse(lines[0] ?? "") as Record<string, unknown>;
  assert.match(String(time), /^\d{4}-\d\d-\d\dT.*Z$/);
  assert.deepEqual(rest, { level: "info", host_id: "NABC", engines: 2, msg: "host is ready" });
});

test("an actor's line carries the actor's name and its trace id", () => {
  const { logger, lines } = collect();
  logger.actorLine(line("hello", { level: "critical", traceId: "4bf9" }));
  const { level, actor, trace_id, msg } = JSON.parse(lines[0] ?? "") as Record<string, unknown>;
  assert.deepEqual(
    { level, actor, trace_id, msg },
    { level: "critical", actor: "counter", trace_id: "4bf9", msg: "hello" },
  );
});

test("a readable line starts with time and level; further lines of a text are indented", () => {
  const { logger, lines } = collect({ structured: false });
  logger.warn("slow", { ms: 12 });
  logger.actorLine(line("first\nsecond"));
  assert.match(lines[0] ?? "", /^\d\d:\d\d:\d\d\.\d{3} warn {5}slow ms=12\n$/);
  assert.match(lines[1] ?? "", /^\S+ info {5}counter: first\n {4}second\n$/);
});

test("nothing is built for a level that is off", () => {
  const { logger, lines } = collect({ level: "error" });
  const fields = {
    get costly(): string {
      throw new Error("was built");
    },
  };
  logger.warn("quiet", fields);
  logger.actorLine(line("quiet", { level: "warn" }));
  assert.equal(logger.isOn("warn"), false);
  assert.equal(logger.isOn("critical"), true);
  assert.deepEqual(lines, []);
});

test("secrets are taken out of fields by name and out of texts by form", () => {
  const { logger, lines } = collect();
  const seed = `SA${"B".repeat(56)}`;
  logger.info(`key ${seed} for redis://user:hunter2@127.0.0.1:6379`, {
    password: "hunter2",
    link: { token: "hunter2" },
    url: "redis://:hunter2@localhost",
  });
  assert.ok(!lines[0]?.includes(seed) && !lines[0]?.includes("hunter2"), lines.join(""));
});

test("escape sequences of a guest reach neither the readable nor the structured log", () => {
  for (const structured of [true, false]) {
    const { logger, lines } = collect({ structured });
    logger.actorLine(line("\x1b[2J\x9b31m\rdone\u202e", { actor: "evil\x1b]0;x\x07\n12:00 error" }));
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    assert.doesNotMatch(lines.join(""), /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
    assert.equal(lines.join("").split("\n").length, 2);
    assert.match(lines[0] ?? "", /x1b\[2J/);
  }
});

/** Mostly control characters and their neighbours, some of every other kind. */
const anyText = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 0xbf }), fc.integer({ min: 0x2000, max: 0x2070 }), fc.nat(0xffff)))
  .map((codes) => String.fromCharCode(...codes));

test("harmless text keeps everything but control characters, and making it twice changes nothing", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const safe = harmless(text);
      // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
      assert.doesNotMatch(safe, /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e]/);
      assert.equal(harmless(safe), safe);
    }),
  );
  assert.equal(harmless("plain\ttext\nüñí 🙂"), "plain\ttext\nüñí 🙂");
});

test("taking secrets out of a long hostile text takes no time to speak of", () => {
  for (const piece of ["a:", "eyJ", "eyJaaaaaaaaaa.", "S", "http://", "x://:", "-"]) {
    const text = piece.repeat(Math.ceil(100_000 / piece.length));
    const begun = performance.now();
    withoutSecrets(harmless(text));
    assert.ok(performance.now() - begun < 5_000, piece);
  }
});

test("a cut never leaves half a character", () => {
  assert.ok(cutText("🙂🙂", 3).isWellFormed());
});

test("a flood of one actor is cut, its size is told, and another actor is still heard", async () => {
  const { logger, lines } = collect({ linesPerSecond: 10 });
  const begun = performance.now();
  for (let n = 0; n < 5_000; n++) logger.actorLine(line(`flood ${n}`));
  const seconds = (performance.now() - begun) / 1_000;
  logger.actorLine(line("neighbour", { placement: "p2", actor: "echo" }));
  assert.ok(lines.some((each) => each.includes("neighbour")));
  const flood = lines.filter((each) => each.includes('"msg":"flood')).length;
  assert.ok(flood <= 10 * (2 + seconds), `${flood} lines in ${seconds} s`);
  // At the end of each second that it lasted.
  const told = () =>
    lines.flatMap((each) => /too fast: (\d+) lines/.exec(each)?.[1] ?? []).reduce((sum, n) => sum + Number(n), 0);
  await until(() => told() + flood >= 5_000);
  assert.equal(told() + flood, 5_000);
});

test("flush tells what was dropped without waiting", () => {
  const { logger, lines } = collect({ linesPerSecond: 1 });
  for (let n = 0; n < 50; n++) logger.actorLine(line("again"));
  logger.flush();
  assert.ok(lines.some((each) => each.includes("writes too fast")));
});
