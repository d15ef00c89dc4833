/** What the global setup tells the tests of one project about the servers they share. */
export type TestRun = {
  /** `containers` when FLO2_TEST_SERVICES asks for them, else the programs flo2 embeds. */
  kind: 'embedded' | 'containers';
  /** Without a database's name. */
  postgresUrl: string;
  /** A migrated database that every other is a copy of. */
  templateDatabase: string;
  /** Where the nats-servers of this run keep their data; removed at its end. */
  directory: string;
  /** The program to start; empty when containers are used. */
  natsServerPath: string;
};

declare module 'vitest' {
  // Merging an interface is how vitest types what `provide` hands to `inject`.
  interface ProvidedContext {
    testRun: TestRun;
  }
}
