import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { type LogEntry, type LogLine, LogBook } from "../../host/log-ring.ts";
import { until } from "../support/until.ts";

const bounds = { logLines: 5, logLineChars: 100, logChars: 10_000, stoppedLogs: 2 };

function line(text: string, more: Partial<LogLine> = {}): LogLine {
  return { placement: "p1", actor: "counter", at: 1_000, level: "info", stream: "logging", text, ...more };
}
const texts = (entries: readonly LogEntry[]): string[] => entries.map((entry) => entry.text);

test("a placement's lines come back oldest first, with time, level, stream and trace id", () => {
  const book = new LogBook(bounds);
  book.write(line("one", { at: Date.UTC(2024, 0, 2), level: "warn", stream: "stderr", traceId: "abc" }));
  assert.deepEqual(book.tail(["p1"]), [
    {
      time: "2024-01-02T00:00:00.000Z",
      placement: "p1",
      actor: "counter",
      level: "warn",
      stream: "stderr",
      text: "one",
      trace_id: "abc",
    },
  ]);
});

test("only the latest lines are kept, and tail and since narrow them", () => {
  const book = new LogBook(bounds);
  for (let n = 1; n <= 12; n++) book.write(line(String(n), { at: n }));
  assert.deepEqual(texts(book.tail(["p1"])), ["8", "9", "10", "11", "12"]);
  assert.deepEqual(texts(book.tail(["p1"], { tail: 2 })), ["11", "12"]);
  assert.deepEqual(texts(book.tail(["p1"], { tail: 0 })), []);
  assert.deepEqual(texts(book.tail(["p1"], { since: 11 })), ["11", "12"]);
});

test("lines of several placements are merged by time", () => {
  const book = new LogBook(bounds);
  book.write(line("a", { at: 1 }));
  book.write(line("c", { at: 3 }));
  book.write(line("b", { at: 2, placement: "p2" }));
  assert.deepEqual(texts(book.tail(["p1", "p2"])), ["a", "b", "c"]);
});

test("a long line is cut and says how much is missing", () => {
  const book = new LogBook(bounds);
  book.write(line("x".repeat(1_000)));
  assert.equal(book.tail(["p1"])[0]?.text, `${"x".repeat(100)}... (900 more characters)`);
});

test("of long lines fewer are kept, so that a log cannot grow beyond its bound", () => {
  const book = new LogBook({ ...bounds, logChars: 250 });
  for (const letter of "abcd") book.write(line(letter.repeat(100)));
  assert.deepEqual(texts(book.tail(["p1"])), ["c".repeat(100), "d".repeat(100)]);
  for (const letter of "efghijk") book.write(line(letter));
  assert.deepEqual(texts(book.tail(["p1"])), ["g", "h", "i", "j", "k"]);
  book.write(line("x".repeat(200)));
  book.write(line("y"));
  assert.deepEqual(texts(book.tail(["p1"])), ["i", "j", "k", `${"x".repeat(100)}... (100 more characters)`, "y"]);
});

test("a follower gets what is kept, then new lines, and ends when the placement has stopped", async () => {
  const book = new LogBook(bounds);
  book.write(line("kept"));
  const seen: string[] = [];
  const reading = (async () => {
    for await (const entry of book.read(["p1"], { follow: true })) seen.push(entry.text);
  })();
  await until(() => seen.length === 1);
  book.write(line("new"));
  await until(() => seen.length === 2);
  book.write(line("last"));
  book.stop("p1");
  await reading;
  assert.deepEqual(seen, ["kept", "new", "last"]);
});

test("a follower may come before the first line", async () => {
  const book = new LogBook(bounds);
  const reading = book.read(["p1"], { follow: true });
  const first = reading.next();
  await turn();
  book.write(line("first"));
  assert.equal((await first).value?.text, "first");
  await reading.return();
});

test("a follower ends when its signal aborts and leaves nothing behind", async () => {
  const book = new LogBook(bounds);
  const controller = new AbortController();
  const reading = book.read(["nobody"], { follow: true, signal: controller.signal }).next();
  await turn();
  controller.abort();
  assert.equal((await reading).done, true);
  assert.deepEqual(book.placements(), []);
});

test("a follower that is too slow is told how many lines it missed", async () => {
  const book = new LogBook(bounds);
  book.write(line("0"));
  const reading = book.read(["p1"], { follow: true });
  await reading.next();
  for (let n = 1; n <= 8; n++) book.write(line(String(n)));
  const next = await reading.next();
  assert.equal(next.value?.stream, "host");
  assert.match(next.value?.text ?? "", /^3 lines came faster/);
  assert.equal((await reading.next()).value?.text, "4");
  await reading.return();
});

test("logs of stopped placements are kept, the latest so many of them", () => {
  const book = new LogBook(bounds);
  for (const placement of ["a", "b", "c"]) {
    book.write(line(placement, { placement }));
    book.stop(placement);
  }
  book.write(line("lives", { placement: "d" }));
  assert.deepEqual(texts(book.tail(["a", "b", "c", "d"])).toSorted(), ["b", "c", "lives"]);
  assert.deepEqual(
    book.placements().map(({ id, stopped }) => [id, stopped]),
    [
      ["b", true],
      ["c", true],
      ["d", false],
    ],
  );
});

test("a follower goes on with placements that come later, and ends when they have stopped too", async () => {
  const book = new LogBook(bounds);
  const running = new Set(["p1"]);
  book.write(line("one"));
  const seen: string[] = [];
  const reading = (async () => {
    for await (const { text } of book.read(["p1"], { follow: true, later: () => [...running] })) seen.push(text);
  })();
  await until(() => seen.length === 1);
  book.write(line("nobody's", { placement: "p3" }));
  running.add("p2");
  book.write(line("two", { placement: "p2" }));
  await until(() => seen.length === 2);
  running.delete("p1");
  book.stop("p1");
  book.write(line("three", { placement: "p2" }));
  await until(() => seen.length === 3);
  book.stop("p2");
  await reading;
  assert.deepEqual(seen, ["one", "two", "three"]);
});
