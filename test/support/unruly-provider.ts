import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync, writeSync } from "node:fs";
import { connect } from "node:net";
import { Worker } from "node:worker_threads";
import type { Link, Provider, ProviderCall, ProviderContext } from "../../capabilities/index.ts";
import { fail } from "../../lattice/index.ts";

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("utf8");
const json = (value: unknown) => Buffer.from(JSON.stringify(value) ?? "null");

/** A provider that does whatever an operation says, well or badly: the payload is its argument. */
export default (settings: unknown): Provider => {
  let context: ProviderContext | undefined;
  const links = new Map<string, Link>();
  const operations: Record<string, (call: ProviderCall) => unknown> = {
    Echo: ({ payload }) => payload.slice(),
    Later: async ({ payload }) => payload.slice(),
    Throw: ({ payload }) => {
      throw new Error(text(payload));
    },
    Reject: ({ payload }) => Promise.reject(new Error(text(payload))),
    Refuse: ({ payload }) => {
      throw fail("WRONG_TYPE", "Refuse", text(payload), "list");
    },
    Nonsense: () => "text",
    Never: () => new Promise(() => {}),
    Spin: () => {
      for (;;);
    },
    Exit: ({ payload }) => process.exit(Number(text(payload))),
    Crash: () => {
      setImmediate(() => {
        throw new Error("crashed");
      });
      return new Promise(() => {});
    },
    LeaveRejection: () => {
      void Promise.reject(new Error("left alone"));
      return new Uint8Array(0);
    },
    Read: ({ payload }) => readFileSync(text(payload)),
    Write: ({ payload }) => writeFileSync(text(payload), "written") ?? new Uint8Array(0),
    Connect: ({ payload }) =>
      new Promise((resolve, reject) => {
        const socket = connect(Number(text(payload)), "127.0.0.1", () =>
          resolve(socket.end() && Buffer.from("connected")),
        );
        socket.on("error", reject);
      }),
    Spawn: () => json(spawnSync("true").status),
    Thread: () => json(new Worker("0", { eval: true }).threadId),
    Heap: () => {
      const held: string[] = [];
      for (let at = 0; ; at++) held.push(`${at}`.repeat(1_000));
    },
    Buffers: async () => {
      const held: Buffer[] = [];
      for (;;) {
        held.push(Buffer.alloc(16 * 1024 * 1024, held.length + 1));
        await new Promise((later) => setTimeout(later, 5));
      }
    },
    Garbage: ({ payload }) => writeSync(3, payload) && new Promise(() => {}),
    Ask: ({ payload, link, ...call }) =>
      context?.invoke(link, "Actor.HealthRequest", payload, { cause: { payload, link, ...call } }),
    Log: (call) => {
      context?.writeActorLog(call, { level: "info", text: text(call.payload) });
      return new Uint8Array(0);
    },
    About: ({ link, era, origin, hops, trace, deadline }) =>
      json({
        settings,
        config: context?.config,
        values: link.values,
        links: links.size,
        era,
        linkedEra: link.linkedActor.era,
        origin,
        hops,
        trace,
        left: deadline - performance.now(),
        environment: process.env,
        arguments: process.argv,
      }),
  };
  return {
    contractId: "wasmcloud:keyvalue",
    name: "unruly",
    start(given) {
      context = given;
      given.log("info", "it starts", { with: "fields" });
      process.stdout.write("a line on stdout\n");
      process.stderr.write("a line on stderr\n");
    },
    putLink(link) {
      if (link.values.bad !== undefined) throw fail("LINK_VALUES_INVALID", "unruly", "bad is bad");
      links.set(link.id, link);
      return { urls: [`unruly:${link.linkName}`] };
    },
    deleteLink: (link) => void links.delete(link.id),
    handle: (call) => operations[call.operation]!(call) as Uint8Array,
    health: () => ({ healthy: true, message: "fine" }),
  };
};
