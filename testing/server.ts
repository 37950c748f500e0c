/** How a suite is run. */
export interface SuiteOptions {
  /** Why none of it can run here; false when it can. */
  readonly skip?: string | false;
}

/** The server behind a provider or store: `kill` takes it away at once, `start` brings it back. */
export interface ServerUnderTest {
  kill(): Promise<void>;
  start(): Promise<void>;
}
