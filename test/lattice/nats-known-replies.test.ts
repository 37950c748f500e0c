import assert from "node:assert/strict";
import { type Bus, type BusMessage, connectNats, type KnowingAsker } from "../../lattice/index.ts";
import { NatsServer, natsTest } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const text = ({ payload }: BusMessage): string => Buffer.from(payload).toString();

/** One request of an asker that knows its reply by its text. */
async function ask(bus: Bus, subject: string, own: string, timeoutMs = 20_000): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const asker: KnowingAsker = {
    knows: (reply) => text(reply) === own,
    answered: (reply) => resolve(text(reply)),
    failed: (error) => reject(error),
  };
  bus.ask(subject, Buffer.from(own), { timeoutMs }, asker);
  return await promise;
}

natsTest("replies that are known come on one subject again, and what else comes there is dropped", async () => {
  await using server = await NatsServer.start({ jetStream: false });
  await using asking = await connectNats({ servers: server.url });
  await using answering = await connectNats({ servers: server.url });
  const heard: BusMessage[] = [];
  const inboxes = () => heard.map(({ reply }) => reply);
  answering.bus.subscribe("echo", (message) => {
    // What was answered before comes first, once more.
    for (const each of heard) message.respond(each.payload);
    heard.push(message);
    message.respond(message.payload);
    message.respond(message.payload);
  });
  answering.bus.subscribe("silent", (message) => void heard.push(message));
  await answering.bus.flush();
  for (const own of ["one", "two", "three"]) assert.equal(await ask(asking.bus, "echo", own), own);
  assert.equal(new Set(inboxes()).size, 1);
  // Those under way at once have subjects of their own.
  const together = ["four", "five", "six"];
  assert.deepEqual(await Promise.all(together.map((own) => ask(asking.bus, "echo", own))), together);
  assert.equal(new Set(inboxes().slice(-3)).size, 3);
  // A reply to what was given up may still come: nobody is asked on its subject again.
  await assert.rejects(ask(asking.bus, "silent", "seven", 20), { code: "RPC_TIMEOUT" });
  const late = await until(() => heard.find((message) => text(message) === "seven"));
  for (const own of ["eight", "nine", "ten", "eleven"]) await ask(asking.bus, "echo", own);
  assert.ok(
    !inboxes()
      .slice(heard.indexOf(late) + 1)
      .includes(late.reply),
  );
  // Nobody who takes the first reply there is gets a subject that was used.
  const replies = new Set(inboxes());
  await asking.bus.request("echo", Buffer.from("twelve"), { timeoutMs: 20_000 });
  await asking.bus.request("echo", Buffer.from("thirteen"), { timeoutMs: 20_000 });
  const others = inboxes().slice(-2);
  assert.equal(new Set(others).size, 2);
  for (const inbox of others) assert.ok(!replies.has(inbox));
});
