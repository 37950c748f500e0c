import { createServer } from "node:net";
import type { Server, Socket } from "node:net";

/** Says what a test wants said: for answers that a real server gives only in trouble. */
export class FakeNatsServer implements AsyncDisposable {
  /** What clients sent, all together. */
  received = "";
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** `greet` is sent to whoever connects; every PING is answered unless `pongs` is false. */
  static async start({ greet = greeting(), pongs = true } = {}): Promise<FakeNatsServer> {
    const server = createServer();
    const fake = new FakeNatsServer(server);
    server.on("connection", (socket) => {
      fake.connections++;
      fake.#sockets.add(socket);
      socket.on("close", () => fake.#sockets.delete(socket)).on("error", () => {});
      socket.setEncoding("latin1").on("data", (text: string) => {
        fake.received += text;
        if (pongs) for (const _ of text.matchAll(/PING\r\n/g)) socket.write("PONG\r\n");
      });
      socket.write(greet);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return fake;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address ? address.port : 0;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  say(text: string): void {
    for (const socket of this.#sockets) socket.write(text, "latin1");
  }

  /** Says it and ends every connection. */
  dismiss(text: string): void {
    for (const socket of this.#sockets) socket.end(text, "latin1");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export function greeting(more: object = {}): string {
  return `INFO ${JSON.stringify({ version: "2.9.10", max_payload: 1_048_576, headers: true, proto: 1, ...more })}\r\n`;
}
