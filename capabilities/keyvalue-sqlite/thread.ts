import { parentPort, workerData } from "node:worker_threads";
import { describe, failFrom, isLatticeError, type LatticeError } from "../../lattice/index.ts";
import { SqliteDatabase } from "./database.ts";
import { type Answered, type Batch, type FromThread, type Request, type ThreadData, operations } from "./messages.ts";

/** The thread that waits for the disk, so that no engine has to. */
const { path } = workerData as ThreadData;
const port = parentPort!;
const say = (message: FromThread): void => port.postMessage(message);

try {
  const database = new SqliteDatabase(path);
  port.on("message", (batch: Batch | null) => {
    if (batch !== null) return say(runBatch(database, batch));
    database.close();
    port.close();
  });
  say({ type: "opened" });
} catch (error) {
  say({ type: "unopened", error: failure(error).toWire() });
}

function runBatch(database: SqliteDatabase, { now, requests }: Batch): FromThread {
  database.now = now;
  const writes = requests.some(([name]) => operations[name]);
  try {
    return { type: "done", answers: database.transact(writes, () => requests.map((each) => answer(database, each))) };
  } catch (error) {
    return { type: "failed", error: failure(error).toWire() };
  }
}

/** What does not fit is refused before it has written anything, so that the others of its batch stand. */
function answer(database: SqliteDatabase, [name, ...parameters]: Request): Answered {
  try {
    return { value: (database[name] as (...all: unknown[]) => unknown)(...parameters) };
  } catch (error) {
    if (!isLatticeError(error)) throw error;
    return { error: error.toWire() };
  }
}

function failure(error: unknown): LatticeError {
  return isLatticeError(error) ? error : failFrom(error, "STORE_UNAVAILABLE", `SQLite in ${path}`, describe(error));
}
