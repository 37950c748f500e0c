/** What a command opened and the process must close to end; imports nothing, since every run does. */
const closers: (() => Promise<void>)[] = [];

export const whatIsOpen = {
  add(close: () => Promise<void>): void {
    closers.push(close);
  },
  async close(): Promise<void> {
    for (const close of closers.splice(0)) await close();
  },
};
