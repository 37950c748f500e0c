import { fileURLToPath } from "node:url";
import { childProvider, type ChildOptions, type ChildProvider } from "../../host/index.ts";
import { fakeCall, fakeContext, fakeLink, type FakeContext } from "./capabilities.ts";

export const unrulyModule = fileURLToPath(new URL("unruly-provider.ts", import.meta.url));
export const unrulyLink = fakeLink({ url: "somewhere" });

/** The unruly provider in a process of its own, started and linked. */
export interface UnrulyChild extends AsyncDisposable {
  readonly provider: ChildProvider;
  readonly context: FakeContext;
  readonly call: (operation: string, argument?: string, more?: object) => Promise<string>;
}

export async function startUnruly(
  options: ChildOptions = {},
  invoke?: Parameters<typeof fakeContext>[0],
): Promise<UnrulyChild> {
  const provider = await childProvider(unrulyModule, options);
  const context = fakeContext(invoke);
  await provider.start(context);
  await provider.putLink(unrulyLink);
  return {
    provider,
    context,
    call: async (operation, argument = "", more = {}) => {
      const call = fakeCall("E4", operation, Buffer.from(argument, "latin1"), { link: unrulyLink, ...more });
      return Buffer.from(await provider.handle(call)).toString("latin1");
    },
    [Symbol.asyncDispose]: () => provider.stop(),
  };
}

/** Whether a process is there. */
export function isAlive(pid: number | undefined): boolean {
  try {
    return pid !== undefined && process.kill(pid, 0);
  } catch {
    return false;
  }
}
