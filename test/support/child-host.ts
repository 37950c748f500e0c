import { Guardian } from "../../host/children/guardian.ts";
import { startUnruly } from "./unruly-child.ts";

/** A host process with two providers in processes of their own, one of which hangs; says who they are and waits. */
const [hanging, idle] = await Promise.all([startUnruly(), startUnruly()]);
hanging.call("Spin").catch(() => {});
await idle.call("Echo");
const tell = () =>
  process.stdout.write(
    `${JSON.stringify({ children: [hanging.provider.pid, idle.provider.pid], guardian: Guardian.shared.pid })}\n`,
  );
tell();
process.stdin.on("data", tell);
