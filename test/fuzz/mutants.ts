/**
 * The fuzzer, judged: hubs with one guard left out each, in one line of the build, must be caught. The text is the
 * compiler's; `Mutant` says so when it is no longer there.
 */
import { Mutant, type Mutation } from "../support/faults/mutant.ts";
import { runFuzz } from "./fuzz.ts";

/** Most are caught in the first second. */
const SECONDS_MAX = 20;
/** Where those take longer: on a machine that is busy. */
const STREAMS_MIN = 150;

export interface FuzzMutant {
  readonly name: string;
  readonly mutation: Mutation;
  /** What of the story must be found. */
  readonly caught: RegExp;
}

export const MUTANTS: readonly FuzzMutant[] = [
  {
    name: "believes that the link of a transfer is there",
    mutation: {
      file: "hub/amqp/session.js",
      from: `const link = this.#links.get(uintAt(bytes, places[0], 0));
        if (link === undefined)
            return "handle_unknown";`,
      to: "const link = this.#links.get(uintAt(bytes, places[0], 0));",
    },
    caught: /thread has ended/,
  },
  {
    name: "lets an escape that is no utf-8 throw",
    mutation: {
      file: "hub/identity/percent-encoding.js",
      from: `catch {
        return null;`,
      to: `catch (error) {
        throw error;`,
    },
    caught: /thread has ended/,
  },
  {
    name: "closes everybody over one malformed topic",
    mutation: {
      file: "hub/mqtt/connection.js",
      from: `return this.#drop("topic_malformed");`,
      to: `return this.#sweep.closeAll("shutdown");`,
    },
    caught: /canary over mqtt: its connection was cut/,
  },
  {
    name: "walks through an array as long as it says",
    mutation: {
      file: "hub/amqp/value.js",
      from: "if (code === TYPE.DESCRIBED || count > valuesLeft || depth <= 1)",
      to: "if (code === TYPE.DESCRIBED || depth <= 1)",
    },
    caught: /not served/,
  },
  {
    name: "answers a rejected AMQP message with a list that is too short",
    mutation: {
      file: "hub/amqp/sent-frames.js",
      from: "writer.close(list, 5);",
      to: "writer.close(list, error === null ? 5 : 6);",
    },
    caught: /answer to stream/,
  },
  {
    name: "takes no notice of a WebSocket's errors",
    mutation: {
      file: "hub/websocket/stream.js",
      from: 'ws.on("error", (error) => this.destroy(error));',
      to: "",
    },
    caught: /thread has ended/,
  },
  {
    name: "keeps some of every connection",
    mutation: {
      file: "hub/mqtt/connection.js",
      from: "this.#sweep.delete(this);",
      to: "this.#sweep.delete(this); (globalThis.kept ??= []).push(Buffer.alloc(4 << 20, 1));",
    },
    caught: /anonymous memory rose/,
  },
];

export interface MutantOutcome {
  readonly isCaught: boolean;
  /** What was found, in words. */
  readonly story: string;
}

export async function tryMutant({ mutation, caught }: FuzzMutant, seed: number): Promise<MutantOutcome> {
  using mutant = new Mutant(mutation);
  const { breaches } = await runFuzz({
    seed,
    seconds: SECONDS_MAX,
    streamsMin: STREAMS_MIN,
    dist: mutant.dist,
  });
  const story = breaches.join("; ");
  return { isCaught: caught.test(story), story };
}
