import type { IncomingMessage } from "node:http";

const none = new Uint8Array(0);

/** A body over the limit is read on and thrown away up to this many times the limit, so that its sender sees the answer. */
const patience = 8;

/**
 * Collects a request's body of at most `limit` bytes. Calls `done` with it, or `tooLarge` once; with
 * neither when the client goes away. A body that goes on and on after `tooLarge` ends the connection.
 */
export function collectBody(
  request: IncomingMessage,
  limit: number,
  done: (body: Uint8Array) => void,
  tooLarge: () => void,
): void {
  let chunks: Buffer[] = [];
  let size = 0;
  let over = false;
  request.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size <= limit) chunks.push(chunk);
    else if (over) {
      if (size > limit * patience) request.destroy();
    } else {
      over = true;
      chunks = [];
      tooLarge();
    }
  });
  request.on("end", () => {
    if (!over) done(chunks.length === 1 ? chunks[0]! : chunks.length === 0 ? none : Buffer.concat(chunks, size));
  });
  // The connection's end is told by the response's close; without a listener it would be an uncaught error.
  request.on("error", () => {});
}
