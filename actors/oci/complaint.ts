/** Control characters, which could drive a terminal. */
const controls = /\p{Cc}|\p{Bidi_Control}/gu;

/** The first bytes of a body as text, and no more. */
export async function shortText(response: Response, limit: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of response.body ?? []) {
    pieces.push(piece);
    length += piece.length;
    if (length >= limit) break;
  }
  return Buffer.concat(pieces).subarray(0, limit).toString("utf8");
}

/**
 * What a registry says is wrong, on one short line: status and its own codes, for example
 * `404 MANIFEST_UNKNOWN: manifest unknown`. Source: OCI distribution specification, error codes.
 */
export async function complaint(response: Response): Promise<string> {
  const body = await shortText(response, 4_096).catch(() => "");
  const said = registryErrors(body) ?? (/^\s*</.test(body) ? "" : body);
  const status = `${response.status} ${said === "" ? response.statusText : said}`;
  return status.replaceAll(controls, " ").trim().slice(0, 200);
}

function registryErrors(body: string): string | undefined {
  try {
    const { errors } = JSON.parse(body) as { errors?: readonly { code?: unknown; message?: unknown }[] };
    if (!Array.isArray(errors)) return undefined;
    return errors.map(({ code, message }) => [code, message].filter(isText).join(": ")).join(", ");
  } catch {
    return undefined;
  }
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
