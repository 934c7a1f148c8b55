/** How often a test tries its luck: a build machine has time for more than somebody who waits for the result. */
export const attempts = (here: number, onBuildMachine: number): number =>
  process.env["CI"] === "true" ? onBuildMachine : here;
