import { writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { exampleCode, signed } from "../guests.ts";
import { median, type Row } from "../harness.ts";
import { benchEnvironment, latticeRun, repositoryFile } from "../processes.ts";

/** From asking a running host to start an actor, over its control socket, to that actor's first reply. */
export const startCommand: Row = {
  name: "start-command",
  short: true,
  async measure({ short }) {
    const rounds = short ? 5 : 15;
    const socket = join(String(benchEnvironment.HOME), "bench.sock");
    const echo = repositoryFile("actors/examples/echo-rust/echo.wasm");
    const code = exampleCode("kvcounter-rust/kvcounter.wasm");
    const file = join(String(benchEnvironment.HOME), "started.wasm");
    const samples: number[] = [];
    for (let round = 0; round < rounds; round++) {
      // A new host each time: what a first start costs, not what V8 has kept of the last.
      await using host = await latticeRun([echo], ["--socket", socket]);
      writeFileSync(file, signed(code, { name: "started", capabilities: ["wasmcloud:keyvalue"] }));
      const agent = new Agent({ keepAlive: true });
      await ask(socket, agent, "health", {});
      const begin = performance.now();
      await ask(socket, agent, "start.actor", { reference: file });
      await ask(socket, agent, "call", { target: "started", operation: "Actor.HealthRequest", payload: health });
      samples.push(performance.now() - begin);
      agent.destroy();
      if (host.child.exitCode !== null) throw new Error("the host ended");
    }
    return [
      {
        row: "start-command",
        figure: "start command to first reply, Rust actor of 150 KB",
        value: median(samples),
        unit: "ms",
        budget: { of: "value", better: "lower", first: 30, goal: 10 },
        how: `start.actor and call over the control socket of a lattice run that has just begun; ${rounds} hosts, median`,
      },
    ];
  },
};

/** An empty map: the argument of a health request. */
const health = Buffer.from([0x80]).toString("base64");

function ask(socketPath: string, agent: Agent, verb: string, parameters: object): Promise<void> {
  const body = JSON.stringify(parameters);
  return new Promise((resolve, reject) => {
    const asked = request({
      socketPath,
      agent,
      method: "POST",
      path: `/v1/${verb}`,
      headers: { host: "localhost", "content-type": "application/json", "content-length": Buffer.byteLength(body) },
    });
    asked.on("error", reject);
    asked.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => (text += piece));
      response.on("end", () => (response.statusCode === 200 ? resolve() : reject(new Error(`${verb}: ${text}`))));
    });
    asked.end(body);
  });
}
