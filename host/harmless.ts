/**
 * Guest text made fit for a terminal and a log: control characters, escape sequences and characters
 * that turn the direction of writing show as `\x1b`, `\u202e`; tabs and line ends stay. Text that
 * has none of them comes back as it is.
 */
export function harmless(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replaceAll(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, escaped);
}

/** As `harmless`, and on one line: for names and other short texts. */
export function harmlessLine(text: string): string {
  return harmless(text).replaceAll("\n", "\\n").replaceAll("\t", " ");
}

/**
 * Seeds, tokens and passwords in URLs taken out of a text. The last net under rules that keep them
 * from getting there: a message of some library may repeat what it was given.
 */
export function withoutSecrets(text: string): string {
  return text
    .replaceAll(/\bS[A-Z][A-Z2-7]{56}\b/g, "[seed]")
    .replaceAll(/\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}/g, "[token]")
    .replaceAll(/(\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s/:@]{0,256}:)[^\s/@]{1,1024}@/gi, "$1[password]@");
}

const cutMark = /\.\.\. \(\d{1,16} more characters\)$/;

/**
 * The first `most` characters, saying how many were cut; a text that was cut so before comes back as
 * it is. The result shares no memory with `text`, so that a line kept in a ring does not keep a
 * guest's 60 MiB message alive.
 */
export function cutText(text: string, most: number): string {
  if (text.length <= most || (text.length <= most + 40 && cutMark.test(text))) return text;
  return Buffer.from(text.slice(0, most)).toString() + `... (${text.length - most} more characters)`;
}

function escaped(character: string): string {
  const code = character.charCodeAt(0);
  if (code === 0x0d) return "\\r";
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
}
