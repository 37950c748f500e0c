import { request } from "node:http";

/** What a verb answers over the control socket. */
export type Answer = Readonly<Record<string, unknown>>;

/** Asks one verb of the host behind a control socket. Rejects with what the host answers: its code, kind and text. */
export function askSocket(
  socketPath: string,
  verb: string,
  parameters: object = {},
  timeoutMs = 60_000,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const signal = AbortSignal.timeout(timeoutMs);
  request({ socketPath, method: "POST", path: `/v1/${verb}`, agent: false, signal }, (response) => {
    let text = "";
    response.setEncoding("utf8").on("data", (piece: string) => (text += piece));
    response.on("error", reject).on("end", () => {
      const document = JSON.parse(text) as Answer;
      if (document.success === true) resolve(document);
      else reject(Object.assign(new Error(String(document.error)), document));
    });
  })
    .on("error", reject)
    .end(JSON.stringify(parameters));
  return promise;
}
