import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Packr } from "msgpackr";
import type { Link, LogRecord, Provider } from "../capabilities/index.ts";
import type { Era } from "../lattice/index.ts";
import { bytes, type FakeContext, fakeCall, fakeContext, fakeLink } from "./fakes.ts";
import type { SuiteOptions } from "./server.ts";
import { type OpenedProvider, startedOnce } from "./started-once.ts";
import { until } from "./until.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });

/** A provider of the contract; one serves all behaviours. */
export type LoggingUnderTest = OpenedProvider;

/** Actors that write to one log. */
class Writers {
  readonly provider: Provider;
  readonly context: FakeContext;

  constructor(provider: Provider, context: FakeContext) {
    this.provider = provider;
    this.context = context;
  }

  async write(era: Era, operation: string, payload: Uint8Array, name = "writer"): Promise<void> {
    const reply = await this.provider.handle(fakeCall(era, operation, payload, { link: await this.link(era, name) }));
    assert.equal(reply.length, 0, "the answer is empty");
  }

  async link(era: Era, name: string): Promise<Link> {
    const link = fakeLink({}, { era, name, contractId: "wasmcloud:builtin:logging" });
    await this.provider.putLink?.(link);
    return link;
  }

  /** The host gets what is written in the end, and in its order. */
  async wrote(era: Era, operation: string, payload: Uint8Array): Promise<LogRecord> {
    const before = this.context.actorLog.length;
    await this.write(era, operation, payload);
    await until(() => this.context.actorLog.length > before);
    return this.context.actorLog[before]!.record;
  }
}

/** What every provider of `wasmcloud:builtin:logging` that gives its lines to the host must do. */
export function loggingSuite(
  name: string,
  open: () => LoggingUnderTest | Promise<LoggingUnderTest>,
  { skip = false }: SuiteOptions = {},
): void {
  void describe(`${name} as a log`, { skip }, () => {
    const context = fakeContext();
    const provider = startedOnce(open, context);
    const behaviour = (title: string, body: (writers: Writers) => Promise<void>): void => {
      void test(title, async () => {
        context.actorLog.length = 0;
        await body(new Writers(await provider(), context));
      });
    };

    behaviour("a line of each era keeps its level, text and target", async (writers) => {
      // Source: waPC and actors reference, section 11.5.
      const e3 = "83a6746172676574a36b7663a56c6576656ca4 7761726ea474657874a568656c6c6f";
      const rows: [Era, string, string, LogRecord][] = [
        ["E2", "WriteLog", "82a56c6576656c03a4626f6479a568656c6c6f", { level: "info", text: "hello" }],
        ["E3", "WriteLog", e3, { level: "warn", text: "hello", target: "kvc" }],
        [
          "E4",
          "Logging.WriteLog",
          "82a56c6576656ca56465627567a474657874a568656c6c6f",
          { level: "debug", text: "hello" },
        ],
        ["E2", "WriteLog", "9205a568656c6c6f00", { level: "trace", text: "hello" }],
      ];
      for (const [era, operation, payload, record] of rows)
        assert.deepEqual(await writers.wrote(era, operation, bytes(payload)), record, era);
    });

    behaviour("levels of every era are known; others count as information", async (writers) => {
      const numbers = ["info", "error", "warn", "info", "debug", "trace", "info", "info"];
      for (const [level, expected] of numbers.entries())
        assert.equal((await writers.wrote("E2", "WriteLog", packr.pack({ level, body: "x" }))).level, expected);
      const named = ["trace", "debug", "info", "warn", "error", "critical", "WARN"];
      for (const level of [...named, "loud", "__proto__", "constructor", ""]) {
        const { level: kept } = await writers.wrote("E4", "Logging.WriteLog", packr.pack({ level, text: "x" }));
        assert.equal(kept, named.includes(level) ? level.toLowerCase() : "info", level);
      }
    });

    behaviour("text is kept as it was: empty, long, of any script, of several lines", async (writers) => {
      for (const text of ["", "é ☃ 🙂 名", "a\nb\0c", "x".repeat(100_000)])
        assert.equal((await writers.wrote("E4", "Logging.WriteLog", packr.pack({ level: "info", text }))).text, text);
    });

    behaviour(
      "sixty-four writers at once: every line is there once, in its writer's order, under its name",
      async (writers) => {
        const { context } = writers;
        await Promise.all(
          Array.from({ length: 64 }, async (_, writer) => {
            for (let line = 0; line < 5; line++)
              await writers.write(
                "E4",
                "Logging.WriteLog",
                packr.pack({ level: "info", text: `${line}` }),
                `w${writer}`,
              );
          }),
        );
        await until(() => context.actorLog.length === 320);
        const byName = Map.groupBy(context.actorLog, ({ call }) => call.origin.kind === "actor" && call.origin.name);
        assert.equal(byName.size, 64);
        for (const lines of byName.values()) assert.equal(lines.map(({ record }) => record.text).join(), "0,1,2,3,4");
      },
    );

    behaviour("a line that cannot be read, or another operation, is refused by name", async (writers) => {
      for (const payload of ["82a5", "05", "81a474657874a5", "ffff"])
        await assert.rejects(writers.write("E4", "Logging.WriteLog", bytes(payload)), {
          code: "PAYLOAD_MALFORMED",
          message: /Logging\.WriteLog/,
        });
      await assert.rejects(writers.write("E4", "Logging.Read", bytes("80")), { code: "OPERATION_UNKNOWN" });
      assert.deepEqual(writers.context.actorLog, []);
    });
  });
}
