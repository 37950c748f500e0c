/**
 * Any text as a key of a bucket: letters, digits, `-`, `_` and `/` stand for themselves, every other byte
 * of UTF-8 is `=` and two digits; the empty key is `=`.
 * Source: NATS architecture decision ADR-8, key-value: characters of keys.
 */
export function encodeKey(key: string): string {
  if (key === "") return "=";
  return key.replaceAll(/[^-\w/]/gu, (character) => {
    const digits = Buffer.from(character).toString("hex").toUpperCase();
    return digits.replaceAll(/../g, "=$&");
  });
}

/** The text of a key that we wrote; undefined for one of somebody else. */
export function decodeKey(key: string): string | undefined {
  if (key === "=") return "";
  if (!/^(?:[-\w/]|=[0-9A-F]{2})+$/.test(key)) return undefined;
  try {
    return decodeURIComponent(key.replaceAll("=", "%"));
  } catch {
    return undefined;
  }
}
