import { Option } from "commander";
import { type Options, textOption } from "./command.ts";

/** Files, URLs and images: archives, which run in processes of their own anyway, and what a host will name in its refusal. */
const notOurs = /\.(par(\.gz)?|wasm|[cm]?[jt]s)$|^(https?|oci|file):|^[\w.-]+(:\d+)?\//i;

export function processOption(): Option {
  return new Option(
    "--process <where>",
    "where one of our own runs: in the host, or as its child, a process that may reach only what its settings need",
  )
    .choices(["host", "child"])
    .default("host");
}

/** The reference of one of our own providers as `--process` wants it; others as they are. */
export function placed(reference: string, options: Options): string {
  const wanted = textOption(options, "process");
  if (wanted !== "child" || reference.startsWith("child:")) return reference;
  return notOurs.test(reference) ? reference : `child:${reference}`;
}
