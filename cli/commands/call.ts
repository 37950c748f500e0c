import { writeFileSync } from "node:fs";
import { Option } from "commander";
import { fail, failFrom, describe } from "../../lattice/index.ts";
import { textOf } from "../client.ts";
import { textOption } from "../command.ts";
import { readBytes, readInput } from "../files.ts";
import { hostCommand } from "../host-command.ts";

export const command = () =>
  hostCommand({
    name: "call",
    summary: "call one operation of an actor",
    args: [
      ["<target>", "actor: key, alias, name or the beginning of one"],
      ["<operation>", "for example HttpServer.HandleRequest, or HandleRequest of older eras"],
      ["[payload...]", "JSON, @file, or - for standard input"],
    ],
    options: (made) =>
      made
        .addOption(new Option("-d, --data <file>", "read the JSON payload from a file"))
        .addOption(new Option("--hex <digits>", "payload as hexadecimal bytes, sent as they are"))
        .addOption(new Option("--text <text>", "payload as the UTF-8 bytes of a text"))
        .addOption(new Option("--raw", "send the payload's bytes as they are; print the reply's bytes as they are"))
        .addOption(new Option("--save <file>", "write the reply's bytes to a file")),
    more: `Examples:
  lattice call counter HttpServer.HandleRequest '{"method":"GET","path":"/","queryString":"","header":{},"body":""}'
  lattice call demo/echo Upper --text hello
  lattice call MB2Z... Actor.HealthRequest`,
    about: ([target = ""]) => ({ kind: "actor", target }),
    work: async ({ output, words: [target = "", operation = "", ...given], host, options, timeoutMs }) => {
      const payload = await payloadOf(options, given);
      const answer = await host.call(
        "call",
        { target, operation, ...payload, ...(timeoutMs === undefined ? {} : { timeoutMs: Math.max(1, timeoutMs) }) },
        // The host keeps the time; this only ends a wait for a host that does not.
        timeoutMs === undefined ? undefined : timeoutMs + 2_000,
      );
      const bytes = Buffer.from(textOf(answer, "payload") ?? "", "base64");
      const save = textOption(options, "save");
      if (save !== undefined) {
        writeFileSync(save, bytes);
        output.note(`Wrote ${bytes.length} bytes to ${save}`);
        return;
      }
      if (options.raw === true) {
        process.stdout.write(bytes);
        return;
      }
      if (output.structured) return output.document(answer);
      output.text(typeof answer.reply === "string" ? answer.reply : JSON.stringify(answer.reply ?? null, undefined, 2));
      output.detail(`${textOf(answer, "ms")} ms, ${bytes.length} bytes, era ${textOf(answer, "era")}`);
    },
  });

/** What the verb takes: `json` for the host to encode, or `payload` as base64 to send as it is. */
async function payloadOf(options: Readonly<Record<string, unknown>>, given: readonly string[]): Promise<object> {
  const hex = textOption(options, "hex");
  const literal = textOption(options, "text");
  const file = textOption(options, "data");
  const said = [hex, literal, file, given[0]].filter((one) => one !== undefined).length;
  if (said > 1) throw fail("USAGE", "give the payload once: as an argument, --data, --hex or --text");
  if (hex !== undefined) return { payload: fromHex(hex).toString("base64") };
  if (literal !== undefined) return { payload: Buffer.from(literal).toString("base64") };
  if (file !== undefined) return encoded(readBytes(file), options.raw === true, file);
  const [first] = given;
  if (first === undefined) return {};
  if (first === "-") return encoded(await readInput(first), options.raw === true, "standard input");
  if (first.startsWith("@")) return encoded(readBytes(first.slice(1)), options.raw === true, first.slice(1));
  return encoded(Buffer.from(given.join(" ")), options.raw === true, "the payload");
}

function encoded(bytes: Buffer, raw: boolean, source: string): object {
  if (raw) return { payload: bytes.toString("base64") };
  try {
    return { json: JSON.parse(bytes.toString("utf8")) as unknown };
  } catch (error) {
    throw failFrom(
      error,
      "USAGE",
      `${source} is not JSON: ${describe(error)} (--text, --hex and --raw send bytes as they are)`,
    );
  }
}

function fromHex(digits: string): Buffer {
  const plain = digits.replaceAll(/[\s:]/g, "");
  if (plain.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(plain)) {
    throw fail("USAGE", "--hex needs an even number of hexadecimal digits");
  }
  return Buffer.from(plain, "hex");
}
