import assert from "node:assert/strict";
import { connectNats } from "../../lattice/index.ts";
import { NatsServer, natsTest } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

// JetStream tells of a stream that another host makes before the stream takes messages. One that has other
// subjects yet is the same for who writes, for as long as the test wants.
for (const { what, stream, subjects, write } of [
  {
    what: "a state",
    stream: "KV_begun",
    subjects: ["$KV.begun.>"],
    write: async (connection: Connection) => {
      await connection.state("begun").put("tea", Buffer.from("1"));
    },
  },
  {
    what: "a blob store",
    stream: "OBJ_begun",
    subjects: ["$O.begun.C.>", "$O.begun.M.>"],
    write: async (connection: Connection) => {
      await connection.blobs("begun").put("tea", Buffer.from("1"));
    },
  },
]) {
  natsTest(`${what} waits for its stream while another host makes it`, async () => {
    await using server = await NatsServer.start();
    const connection = await connectNats({ servers: server.url });
    await using closing = new AsyncDisposableStack();
    closing.defer(async () => await connection.close());
    const { bus } = connection;
    const api = async (verb: string, covered: readonly string[]) => {
      const config = { name: stream, subjects: covered, storage: "file", allow_rollup_hdrs: true };
      const { payload } = await bus.request(`$JS.API.STREAM.${verb}.${stream}`, Buffer.from(JSON.stringify(config)), {
        timeoutMs: 15_000,
      });
      assert.doesNotMatch(Buffer.from(payload).toString(), /"error"/);
    };
    await api("CREATE", ["elsewhere"]);
    let looks = 0;
    bus.subscribe(`$JS.API.STREAM.INFO.${stream}`, () => void looks++);
    const written = write(connection);
    written.catch(() => {});
    // Looked at again after each refusal.
    await until(() => looks >= 4);
    await api("UPDATE", subjects);
    await written;
  });
}

type Connection = Awaited<ReturnType<typeof connectNats>>;
