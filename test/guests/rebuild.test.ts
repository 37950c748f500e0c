/**
 * The committed modules are what their sources say: each is built anew and held against the committed
 * one in a conversation. Whose toolchain is not on this machine is skipped, with the reason.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { examples } from "../../actors/examples/build.mjs";
import { build, repository } from "../../actors/examples/toolchains.mjs";
import type { Language } from "../../actors/examples/toolchains.mjs";
import { cannedAnswer, conversation, corpus, httpRequest } from "../support/guest-corpus.ts";
import { replay } from "../support/wapc-replay.ts";
import type { Call } from "../support/wapc-replay.ts";
import { pack } from "../../lattice/index.ts";
import type { Era } from "../../lattice/index.ts";

const scratch = mkdtempSync(join(tmpdir(), "rebuilt-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

interface Subject {
  readonly name: string;
  readonly language: Language;
  readonly source: string;
  readonly committed: string;
  readonly era: Era;
  readonly calls: readonly Call[];
}

const exampleCalls = (era: Era): Call[] => [
  httpRequest(era, "GET", "/", "q=1"),
  httpRequest(era, "GET", '/a"b/é', ""),
  httpRequest(era, "POST", "/3", "", "a bödy"),
  httpRequest(era, "GET", "/missing", ""),
  httpRequest(era, "GET", "/99", ""),
  { operation: era === "E4" ? "Actor.HealthRequest" : "HealthRequest", payload: pack({ placeholder: false }) },
  { operation: "Pingpong.Ping", payload: new Uint8Array() },
  { operation: "HttpServer.HandleRequest", payload: Uint8Array.of(0xc1) },
];

const subjects: Subject[] = [
  ...examples().examples.map(({ file, language, source, era }) => ({
    name: file.replace(/\/.*/, ""),
    language,
    source: join(repository, "actors/examples", source),
    committed: join(repository, "actors/examples", file),
    era,
    calls: exampleCalls(era),
  })),
  ...corpus.guests.map((guest) => ({
    name: guest.name,
    language: guest.language,
    source: join(import.meta.dirname, guest.source),
    committed: join(import.meta.dirname, guest.file),
    era: guest.era,
    calls: conversation(guest),
  })),
];

for (const { name, language, source, committed, era, calls } of subjects) {
  test(`${name}, built anew from ${language}, says what the committed module says`, { timeout: 900_000 }, (t) => {
    const output = join(scratch, `${name}.wasm`);
    const missing = build(language, source, output);
    if (missing !== undefined) {
      t.skip(missing);
      return;
    }
    const rebuilt = replay(readFileSync(output), calls, cannedAnswer(era));
    assert.deepEqual(rebuilt, replay(readFileSync(committed), calls, cannedAnswer(era)));
  });
}
