import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A site of the world outside, and what it was asked. */
export interface World extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  readonly seen: { readonly method: string; readonly url: string; readonly headers: IncomingMessage["headers"] }[];
}

export async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<World> {
  const seen: World["seen"] = [];
  const server = createServer((request, response) => {
    seen.push({ method: request.method!, url: request.url!, headers: request.headers });
    answer(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    seen,
    [Symbol.asyncDispose]: async () => {
      if (!server.listening) return;
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export function hello(_: IncomingMessage, response: ServerResponse): void {
  response.setHeader("x-two", ["a", "b"]);
  response.end("hi");
}
