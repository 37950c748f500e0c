// Peer of the HTTP rows: what `node:http` does alone with the same bodies. Prints {"url"} when ready.
//   node bare-http.mjs echo | counter | pong
import { createServer } from "node:http";

const counters = new Map();

/** From a request and its whole body to content type and body of the answer. */
const answers = {
  /** A body goes back as it came; without one, what was asked. */
  echo: (request, body) => {
    if (body.length > 0) return [request.headers["content-type"] ?? "application/octet-stream", body];
    const [path, query = ""] = request.url.split("?");
    return ["application/json", JSON.stringify({ method: request.method, path, query })];
  },
  counter: (request) => {
    const counter = (counters.get(request.url) ?? 0) + 1;
    counters.set(request.url, counter);
    return ["application/json", JSON.stringify({ counter, path: request.url })];
  },
  pong: () => ["application/json", JSON.stringify({ reply: "pong" })],
};

const answer = answers[process.argv[2]];

const server = createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
    const [type, bytes] = answer(request, body);
    response.writeHead(200, { "content-type": type, "content-length": Buffer.byteLength(bytes) });
    response.end(bytes);
  });
});

server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` })}\n`);
});
