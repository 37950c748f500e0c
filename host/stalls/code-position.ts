import { type Debugger, Session } from "node:inspector";

/** Frames told: enough to see whose code it is. */
const mostFrames = 3;
/** Longest wait for an answer, in milliseconds: a thread within native code has none. */
const answerMs = 1_000;

/**
 * Where the main thread is in its code, innermost first. It is stopped for some milliseconds and goes on as it was;
 * to end what runs there is another thing, after which promises of others were seen never to settle.
 */
export async function positionOfMain(): Promise<readonly string[]> {
  const session = new Session();
  const urls = new Map<string, string>();
  const { promise, resolve } = Promise.withResolvers<readonly string[]>();
  const timer = setTimeout(() => resolve([]), answerMs);
  try {
    session.connectToMainThread();
    session.on("Debugger.scriptParsed", ({ params: { scriptId, url } }) => void urls.set(scriptId, url));
    session.on("Debugger.paused", ({ params: { callFrames } }) => {
      session.post("Debugger.resume");
      resolve(callFrames.slice(0, mostFrames).map((frame) => textOf(frame, urls)));
    });
    session.post("Debugger.enable");
    session.post("Debugger.pause");
    return await promise;
  } catch {
    return [];
  } finally {
    clearTimeout(timer);
    session.disconnect();
  }
}

function textOf({ functionName, location }: Debugger.CallFrame, urls: ReadonlyMap<string, string>): string {
  const place = `${urls.get(location.scriptId) || "unnamed code"}:${location.lineNumber + 1}`;
  return functionName === "" ? place : `${functionName} (${place})`;
}
