import { connect } from "nats";
import { findNatsServer, NatsServer } from "../../test/support/nats-server.ts";
import { type Ask, type BenchRun, type Compared, type Figure, inTurnsAmong, perSecond, type Row } from "../harness.ts";
import { latticePair } from "../lattice-pair.ts";
import { moleculerNode } from "../moleculer-node.ts";
import { repositoryFile, startNode } from "../processes.ts";

const payload = new Uint8Array(100).fill(7);
const beside = {
  nats: { name: "nats package", budget: { of: "ratio", better: "higher", first: 0.7, goal: 1.5 } },
  moleculer: { name: "moleculer", budget: { of: "ratio", better: "higher", first: 0.5, goal: 1 } },
} as const;

/**
 * Calls from host to host over a real server, each host in a process of its own, beside the `nats`
 * package doing one bare request and reply and moleculer calling an action on the same server.
 */
export const latticeCall: Row = {
  name: "lattice-call",
  short: true,
  async measure(run) {
    if (findNatsServer() === undefined) {
      run.say("skipped: no nats-server on PATH or in NATS_SERVER");
      return [];
    }
    await using server = await NatsServer.start();
    await using nats = await bareNats(server.url);
    await using moleculer = await moleculerPair(server.url);
    await using sealed = await latticePair(server.url, "session");
    const figure = (text: string, name: string, compared: Compared, how: string): Figure => ({
      row: "lattice-call",
      figure: text,
      value: compared.ours,
      unit: "call/s",
      peer: { name, value: compared.peer },
      ratio: compared.ratio,
      how: `${rounds(run).text}; ${how}`,
    });
    const figures: Figure[] = [];
    for (const concurrency of run.short ? [1, 64] : [1, 64, 256]) {
      const [toNats, toMoleculer] = await turns(run, concurrency, sealed.actor, [nats.ask, moleculer.ask]);
      for (const [peer, compared] of [
        [beside.nats, toNats!],
        [beside.moleculer, toMoleculer!],
      ] as const) {
        figures.push({
          ...figure(
            `actor -> actor on two hosts over NATS, 100 B, c=${concurrency}`,
            peer.name,
            compared,
            "hosts as lattice up, sealed sessions, every check on",
          ),
          ...(concurrency === 64 ? { budget: peer.budget } : {}),
        });
      }
    }
    const [provider] = await turns(run, 64, sealed.provider, [nats.ask]);
    const store = "actor -> key-value in memory on another host, c=64";
    figures.push(figure(store, beside.nats.name, provider!, "a key that is not there; sealed sessions"));
    await using signed = await latticePair(server.url, "wasmcloud");
    const [forms] = await turns(run, 64, sealed.actor, [signed.actor]);
    const form = "actor -> actor on two hosts, sealed under a session, c=64";
    figures.push(figure(form, "signed as 0.x", forms!, "the same hosts with --rpc session and --rpc wasmcloud"));
    return figures;
  },
};

/** The `nats` package alone. */
async function bareNats(url: string): Promise<AsyncDisposable & { ask: Ask }> {
  await using undo = new AsyncDisposableStack();
  undo.use(await startNode([repositoryFile("bench/children/nats-echo.ts"), "nats", url]));
  const connection = await connect({ servers: url });
  undo.defer(() => connection.close());
  const held = undo.move();
  return {
    ask: async () => {
      await connection.request("echo.nats", payload, { timeout: 10_000 });
      return 1;
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** Its own serializer is JSON, so text takes the place of bytes. */
async function moleculerPair(url: string): Promise<AsyncDisposable & { ask: Ask }> {
  await using undo = new AsyncDisposableStack();
  undo.use(await startNode([repositoryFile("bench/children/moleculer-echo.ts"), url]));
  const node = moleculerNode("caller", url);
  await node.start();
  undo.defer(() => node.stop());
  await node.waitForServices("echo", 20_000);
  const text = "x".repeat(payload.length);
  const held = undo.move();
  return {
    ask: async () => {
      const reply: { text?: string } = await node.call("echo.echo", { text });
      if (reply.text?.length !== text.length) throw new Error("moleculer answers something else");
      return 1;
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

function rounds({ short }: BenchRun): { count: number; ms: number; text: string } {
  const [count, ms] = short ? [3, 200] : [7, 1_000];
  return { count, ms, text: `one server, both ends in processes of their own; ${count} rounds of ${ms} ms in turns` };
}

/** Ours beside each of the peers, after all are warm. */
async function turns(run: BenchRun, concurrency: number, ours: Ask, peers: readonly Ask[]): Promise<Compared[]> {
  const { count, ms } = rounds(run);
  const measure = (ask: Ask) => () => perSecond(concurrency, ms, ask);
  for (const ask of [ours, ...peers]) await measure(ask)();
  return await inTurnsAmong(count, measure(ours), peers.map(measure));
}
