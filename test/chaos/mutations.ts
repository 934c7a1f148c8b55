/**
 * Hubs that break one rule each, in one line of the build: the judge must catch every one (`mutants.ts`). The text is the compiler's; `Mutant` says so when it is no longer there.
 */
import type { Flush } from "../support/faults/faulty-disk.ts";
import type { Mutation } from "../support/faults/mutant.ts";

export interface NamedMutation {
  readonly name: string;
  readonly mutation: Mutation;
  /** What of the story must be found: a rule, in most cases. */
  readonly caught: RegExp;
  /** How long each durable call takes, ms, when this is no ordinary slow disk. */
  readonly flushMs?: Readonly<Record<Flush, number>>;
}

/** The log is quick, the database is not: the log goes round while one checkpoint is under way. */
const SLOW_CHECKPOINT_MS = { data: 300, meta: 0 } as const;

export const MUTATIONS: readonly NamedMutation[] = [
  {
    name: "releases before the flush",
    mutation: {
      file: "hub/journal/journal.js",
      from: "void this.#commit(inFlight, FULL_RETRY_MS_MIN);",
      to: `for (const { lane, to } of inFlight.lanes) lane.durable = Math.max(lane.durable, to.offset);
        this.#options.onDurable();
        void this.#commit(inFlight, FULL_RETRY_MS_MIN);`,
    },
    caught: /^J1 /m,
  },
  {
    name: "appends half a step now and then",
    mutation: {
      file: "hub/endpoints/publisher.js",
      from: "option.lane.appendFrame(block, frame, frame + total, { port: 0, deadline });",
      to: "if (Math.random() > 0.01) option.lane.appendFrame(block, frame, frame + total, { port: 0, deadline });",
    },
    caught: /^J(2|25) .*(no outcome|not delivered)/m,
  },
  {
    name: "settles what it delivers to the network",
    mutation: {
      file: "hub/endpoints/delivery-window.js",
      from: 'if (delivered === "sent") {',
      to: "if (false) {",
    },
    caught: /^J25 .*not delivered/m,
  },
  {
    name: "delivers again what was settled",
    mutation: {
      file: "hub/endpoints/delivery-window.js",
      from: `            window.settle(offset);
            this.#settled(window);`,
      to: `            if (Math.random() < 0.05) window.giveBack(offset);
            else window.settle(offset);
            this.#settled(window);`,
    },
    caught: /^J23 .*after it was settled/m,
  },
  {
    name: "says of no redelivery that it is one",
    mutation: {
      file: "hub/endpoints/subscriber.js",
      from: "(sequence % PACKET_IDS) + 1, attempt > 0);",
      to: "(sequence % PACKET_IDS) + 1, false);",
    },
    caught: /^J25 .*marked/m,
  },
  {
    name: "says of some first deliveries that they are redeliveries",
    mutation: {
      file: "hub/endpoints/subscriber.js",
      from: "(sequence % PACKET_IDS) + 1, attempt > 0);",
      to: "(sequence % PACKET_IDS) + 1, attempt > 0 || Math.random() < 0.1);",
    },
    caught: /^J25 .*marked/m,
  },
  {
    name: "leaves a record out of checkpoints now and then",
    mutation: {
      file: "hub/journal/lmdb-store.js",
      from: "put(recordKey(append, append), append.data);",
      to: "if (Math.random() > 0.3) put(recordKey(append, append), append.data);",
    },
    caught: /^J8 .*store: |^J1 .*not in the log/m,
  },
  {
    name: "uses the log's room again before the checkpoint is durable",
    mutation: {
      file: "hub/journal/redo/checkpointer.js",
      from: "const mark = this.#host.mark();",
      to: "const mark = this.#host.mark(); this.#host.onDone(mark);",
    },
    caught: /^J8 .*(store: |ended)|^J1 .*not in the log/m,
    flushMs: SLOW_CHECKPOINT_MS,
  },
  {
    name: "leaves cursors out of the log",
    mutation: {
      file: "hub/journal/redo/record.js",
      from: "out.writeUInt32LE(group.cursors.length, AT.CURSORS);",
      to: "group = { ...group, cursors: [] }; out.writeUInt32LE(0, AT.CURSORS);",
    },
    caught: /^J2 |^J8 .*store: /m,
  },
  {
    name: "commits rows one group late",
    mutation: {
      file: "hub/journal/journal.js",
      from: "const rows = this.tables.takeChanges();",
      to: `const rows = this.lateRows ?? [];
        this.lateRows = this.tables.takeChanges();`,
    },
    caught: /^J2 .*(counted|counter)/m,
  },
  {
    name: "leaves cursors out of a group now and then",
    mutation: {
      file: "hub/journal/journal.js",
      from: "if (lane.cursor.offset > lane.durableCursor) {",
      to: "if (lane.cursor.offset > lane.durableCursor && (also !== 'nothing' || Math.random() > 0.3)) {",
    },
    caught: /^J2 .*(too many|counted)|^J8 .*store: lane/m,
  },
  {
    name: "begins a drained lane at offset 0 again",
    mutation: {
      file: "hub/journal/lane.js",
      from: "const tail = Math.max(lane.tail, cursor);",
      to: "const tail = cursor >= lane.tail ? 0 : lane.tail;",
    },
    caught: /^J2 |^J25 |^J8 /m,
  },
  {
    name: "sends an output twice now and then",
    mutation: {
      file: "hub/endpoints/fan-out.js",
      from: `        option.lane.pin();
        ingress.journal.touch(option.lane);
    }
    if (!matched)`,
      to: `        option.lane.pin();
        if (Math.random() < 0.05) option.lane.appendFrame(block, frame, to, { port: 0, deadline: Infinity });
        ingress.journal.touch(option.lane);
    }
    if (!matched)`,
    },
    caught: /^J2 .*too many/m,
  },
  {
    name: "forgets some dead letters",
    mutation: {
      file: "hub/endpoints/fan-out.js",
      from: "sink.bury(batch.block, batch.from + a + ENTRY.SIZE, JSON.parse(reason));",
      to: "if (Math.random() > 0.3) sink.bury(batch.block, batch.from + a + ENTRY.SIZE, JSON.parse(reason));",
    },
    caught: /^J2 dead letters .*no outcome/m,
  },
  {
    name: "acknowledges a packet twice now and then",
    mutation: {
      file: "hub/endpoints/publisher.js",
      from: "this.#acks.push(packetId, lane, offset);",
      to: `this.#acks.push(packetId, lane, offset);
        if (Math.random() < 0.01) this.#acks.push(packetId, lane, offset);`,
    },
    caught: /^J24 .*(not in flight|overtook)/m,
  },
];
