import { type ChildProcess, spawn } from "node:child_process";
import { fail } from "../../lattice/index.ts";

/**
 * Reads `+ PID` and `- PID`, answers each `+` with the number, and when its standard input ends, because the
 * host is gone however it went, ends the process groups that are left: asked first, killed a second later.
 */
const script = `
trap '' INT TERM HUP QUIT PIPE
held=' '
while read -r sign pid; do
  case $sign in
    +) held="$held$pid "; echo "$pid" ;;
    -) left=' '; for each in $held; do [ "$each" = "$pid" ] || left="$left$each "; done; held=$left ;;
  esac
done
[ "$held" = ' ' ] && exit 0
for each in $held; do kill -s TERM -- "-$each" 2>/dev/null; done
sleep 1
for each in $held; do kill -s KILL -- "-$each" 2>/dev/null; done
exit 0
`;

/**
 * Watches the process groups that this process started. A child that hangs notices nothing of its host's
 * end, so somebody else must; this one is a shell of a megabyte in a session of its own, which Ctrl-C and a
 * signal to the host's group do not reach. One serves a whole process, from the first child to the last.
 */
export class Guardian {
  static readonly shared: Guardian = new Guardian();
  readonly #held = new Set<number>();
  readonly #waiting = new Map<number, () => void>();
  #shell: ChildProcess | undefined;
  #heard = "";

  /** Of the shell that watches now, for tests and `describe`. */
  get pid(): number | undefined {
    return this.#shell?.pid;
  }

  /**
   * From now on the group of `pid` ends with this process. Resolves when that is certain: let the child do
   * nothing before.
   * @throws LatticeError PRECONDITION when the system has no shell.
   */
  async watch(pid: number): Promise<void> {
    this.#held.add(pid);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.set(pid, resolve);
    try {
      await Promise.race([promise, this.#ask(pid)]);
    } catch (error) {
      this.release(pid);
      throw error;
    }
  }

  /** The group of `pid` is gone. */
  release(pid: number): void {
    if (!this.#held.delete(pid)) return;
    // One that was gone sooner needs nobody.
    this.#waiting.get(pid)?.();
    this.#waiting.delete(pid);
    if (this.#held.size > 0) this.#tell(`- ${pid}`);
    else {
      this.#shell?.stdin?.end(`- ${pid}\n`);
      this.#shell = undefined;
    }
  }

  #ask(pid: number): Promise<never> {
    const { promise, reject } = Promise.withResolvers<never>();
    if (this.#shell) this.#tell(`+ ${pid}`);
    else this.#start(reject);
    return promise;
  }

  #start(failed: (error: Error) => void): void {
    const shell = spawn("/bin/sh", ["-c", script], {
      detached: true,
      stdio: ["pipe", "pipe", "ignore"],
      env: { PATH: "/usr/bin:/bin" },
      cwd: "/",
    });
    this.#shell = shell;
    this.#heard = "";
    shell.unref();
    for (const pipe of [shell.stdin, shell.stdout]) (pipe as unknown as { unref(): void }).unref();
    shell.stdin?.on("error", () => {});
    shell.stdout?.setEncoding("utf8").on("data", (text: string) => this.#hear(text));
    shell.once("error", (error) => failed(fail("PRECONDITION", `no shell to guard child processes: ${error.message}`)));
    // Somebody ended it: another takes over what it watched.
    shell.once("exit", () => {
      if (this.#shell !== shell) return;
      this.#shell = undefined;
      if (this.#held.size > 0) this.#start(() => {});
    });
    for (const pid of this.#held) this.#tell(`+ ${pid}`);
  }

  #tell(line: string): void {
    this.#shell?.stdin?.write(`${line}\n`);
  }

  #hear(text: string): void {
    const lines = (this.#heard + text).split("\n");
    this.#heard = lines.pop() ?? "";
    for (const line of lines) {
      this.#waiting.get(Number(line))?.();
      this.#waiting.delete(Number(line));
    }
  }
}
