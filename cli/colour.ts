import type { WriteStream } from "node:tty";

export const colourWords = ["auto", "always", "never"] as const;
export type ColourWhen = (typeof colourWords)[number];

export interface Paint {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
}

/** --color wins, then FORCE_COLOR, then NO_COLOR (https://no-color.org), then whether the stream is a terminal. */
export function wantsColour(when: ColourWhen, stream: Pick<WriteStream, "isTTY">, env = process.env): boolean {
  if (when !== "auto") return when === "always";
  const forced = env.FORCE_COLOR;
  if (forced !== undefined) return forced !== "0" && forced !== "false";
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== "") return false;
  return stream.isTTY && env.TERM !== "dumb";
}

export function colourer(when: ColourWhen, stream: Pick<WriteStream, "isTTY">): Paint {
  const wanted = wantsColour(when, stream);
  const code = (on: number, off: number) => (text: string) => (wanted ? `\u001b[${on}m${text}\u001b[${off}m` : text);
  return { bold: code(1, 22), dim: code(2, 22), red: code(31, 39), green: code(32, 39), yellow: code(33, 39) };
}
