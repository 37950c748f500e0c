import { instrument } from "../../actors/index.ts";
import { encodeHttpRequest } from "../../capabilities/index.ts";
import { exampleCode } from "../guests.ts";
import { type Figure, inTurns, type Row } from "../harness.ts";
import { PlainGuest } from "../plain-guest.ts";

/** Guest work of one request without a host; `hostReply` is what key-value answers to an increment. */
const guests = [
  { figure: "Rust echo, an HTTP request", path: "echo-rust/echo.wasm", era: "E4", hostReply: [] },
  {
    figure: "Rust counter, an HTTP request and a host call",
    path: "kvcounter-rust/kvcounter.wasm",
    era: "E4",
    hostReply: [7],
  },
  {
    figure: "AssemblyScript counter, an HTTP request and a host call",
    path: "kvcounter-assemblyscript/kvcounter.wasm",
    era: "E3",
    hostReply: [0x81, 0xa5, ...Buffer.from("value"), 7],
  },
] as const;
const calls = 200;

/** What fuel costs the guest itself: the same module twice, as it came and instrumented. */
export const instrumentCost: Row = {
  name: "instrumented",
  short: false,
  async measure({ short }) {
    const rounds = short ? 50 : 300;
    const figures: Figure[] = [];
    for (const { figure, path, era, hostReply } of guests) {
      const header = ["host", "127.0.0.1", "content-type", "text/plain", "content-length", "100"];
      const body = new Uint8Array(100).fill(120);
      const request = {
        operation: Buffer.from(era === "E4" ? "HttpServer.HandleRequest" : "HandleRequest"),
        payload: encodeHttpRequest(era, { method: "POST", path: "/tea", queryString: "", header, body }),
        hostReply: Uint8Array.from(hostReply),
      };
      const code = exampleCode(path) as Uint8Array<ArrayBuffer>;
      const plain = new PlainGuest(new WebAssembly.Module(code), request);
      const fuelled = new PlainGuest(new WebAssembly.Module(instrument(code, { name: path }).bytes), request);
      // Long enough for V8 to replace its baseline code.
      for (let i = 0; i < 20; i++) for (const each of [plain, fuelled]) usPerCall(each);
      const compared = await inTurns(
        rounds,
        () => usPerCall(fuelled),
        () => usPerCall(plain),
      );
      figures.push({
        row: "instrumented",
        figure,
        value: compared.ours,
        unit: "us/call",
        peer: { name: "not instrumented", value: compared.peer },
        ratio: compared.ratio,
        budget: { of: "ratio", better: "lower", first: 1.25, goal: 1.05 },
        how: `__guest_call from JavaScript with imports that do next to nothing; ${rounds} rounds of ${calls} calls in turns, medians`,
      });
    }
    return figures;
  },
};

function usPerCall(guest: PlainGuest): number {
  const begin = performance.now();
  for (let i = 0; i < calls; i++) guest.call();
  return ((performance.now() - begin) * 1_000) / calls;
}
