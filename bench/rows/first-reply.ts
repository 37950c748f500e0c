import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { exampleCode, signed } from "../guests.ts";
import { type Budget, type Figure, median, type Row } from "../harness.ts";
import { benchEnvironment, repositoryFile, startNode } from "../processes.ts";

/** Size of an actor as Rust used to build it: most of it debug information. */
const megabytes = 2;
const modules = 6;
const budget: Budget = { of: "value", better: "lower", first: 15, goal: 5 };

/** From signed bytes to the first reply, in a host that runs, against compiling and instantiating the same bytes. */
export const firstReply: Row = {
  name: "first-reply",
  short: true,
  async measure({ short }) {
    const rounds = short ? 3 : 9;
    const echo = exampleCode("echo-rust/echo.wasm");
    const files = Array.from({ length: modules }, (_, i) => {
      const file = join(String(benchEnvironment.HOME), `large-${i}.wasm`);
      const wishes = { name: `large ${i}`, capabilities: ["wasmcloud:httpserver"] };
      writeFileSync(file, signed(withDebugSection(variant(echo, i), megabytes * 2 ** 20), wishes));
      return file;
    });
    const samples = { lattice: [] as number[][], rested: [] as number[][], plain: [] as number[][] };
    for (let round = 0; round < rounds; round++) {
      for (const side of ["lattice", "rested", "plain"] as const) {
        await using child = await startNode([repositoryFile("bench/children/first-reply.ts"), side, ...files]);
        samples[side].push(child.ready.ms as number[]);
      }
    }
    const first = (ms: number[]) => ms[0]!;
    const cases = [
      { which: "in a host that has loaded others", side: "rested", of: (ms: number[]) => median(ms.slice(1)), budget },
      { which: "first module of a host that has rested", side: "rested", of: first },
      { which: "first module of a process", side: "lattice", of: first },
    ] as const;
    return cases.map(({ which, side, of, ...rest }): Figure => {
      const value = median(samples[side].map(of));
      const peer = median(samples.plain.map(of));
      return {
        row: "first-reply",
        figure: `signed bytes to first reply, ${megabytes} MB Rust actor, ${which}`,
        value,
        unit: "ms",
        peer: { name: "compile, instantiate, call", value: peer },
        ratio: value / peer,
        ...rest,
        how: `a host with one engine and a loader thread: load, startActor, call; the peer does the same to the same bytes without looking at them; rested: a second after it is ready; ${rounds} processes each with ${modules} modules, in turns, medians`,
      };
    });
  },
};

/** `code` with a custom section of noise behind it, as large as debug information would be. */
function withDebugSection(code: Uint8Array, size: number): Uint8Array {
  const noise = new Uint8Array(size - code.length);
  for (let i = 0, state = 1; i < noise.length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    noise[i] = state >>> 24;
  }
  const name = Buffer.from(".debug_info");
  const content = Buffer.concat([Uint8Array.of(name.length), name, noise]);
  const length = Uint8Array.from({ length: 5 }, (_, i) => ((content.length >>> (7 * i)) & 0x7f) | (i < 4 ? 0x80 : 0));
  return Buffer.concat([code, Uint8Array.of(0), length, content]);
}

/** The same code with a letter changed in a text that is never shown, since V8 keeps what it has compiled. */
function variant(code: Uint8Array, letter: number): Uint8Array {
  const copy = Buffer.from(code);
  const at = copy.indexOf("unwrap()");
  if (at < 0) throw new Error("the example has no text to change");
  copy[at] = 0x41 + letter;
  return copy;
}
