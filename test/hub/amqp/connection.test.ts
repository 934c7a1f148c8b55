/** One connection, frame by frame: what it answers, what it does not stand, and for how long it waits. */
import rhea from "rhea";
import termini from "rhea/lib/terminus.js";
import { describe, expect, test } from "vitest";
import { CLOSE_CODES, type CloseCode } from "../../../hub/amqp/close-reason.ts";
import type { IncomingLink } from "../../../hub/amqp/incoming-link.ts";
import type { OutgoingLink } from "../../../hub/amqp/outgoing-link.ts";
import { REFUSED } from "../../../hub/amqp/outcome.ts";
import { Random, seed } from "../mqtt/random.ts";
import { BEGIN, conditionOf, frame, HEADER, names, OPEN, SASL_HEADER, saslFrame, Wire } from "./wire.ts";

const terminus = {
  target: (address: string) => termini.target({ address }).described(),
  source: (address: string) => termini.source({ address }).described(),
};

const EVENTS = "/devices/d1/messages/events";
const attachSender = (fields: object = {}): Buffer =>
  frame("attach", {
    name: "s",
    handle: 0,
    role: false,
    target: terminus.target(EVENTS),
    initial_delivery_count: 0,
    ...fields,
  });
const attachReceiver = (fields: object = {}): Buffer =>
  frame("attach", {
    name: "r",
    handle: 1,
    role: true,
    source: terminus.source("/devices/d1/twin"),
    ...fields,
  });
const transfer = (deliveryId: number, payload = "x", fields: object = {}): Buffer =>
  frame(
    "transfer",
    { handle: 0, delivery_id: deliveryId, delivery_tag: Buffer.from("t"), ...fields },
    0,
    Buffer.from(payload),
  );

/** Gives incoming links a user that keeps what comes, and credit. */
function listening(
  wire: Wire,
  credit = 100,
): { readonly got: string[]; link: IncomingLink | null; out: OutgoingLink | null } {
  const state = { got: [] as string[], link: null as IncomingLink | null, out: null as OutgoingLink | null };
  wire.onLink = (_connection, { link }) => {
    if (link.isIncoming) {
      state.link = link;
      link.user = {
        onMessage: (_id, _format, bytes, from, to) => void state.got.push(bytes.toString("latin1", from, to)),
        onEnd: () => void state.got.push("end"),
      };
      link.window = credit;
    } else {
      state.out = link;
      link.user = {
        onCredit: () => undefined,
        onOutcome: (token, outcome) => void state.got.push(`${token} ${outcome}`),
        onEnd: () => void state.got.push("end"),
      };
    }
    return null;
  };
  return state;
}

describe("opening", () => {
  test("bare AMQP, SASL ANONYMOUS and MSSBCBS are admitted, and nobody is known yet", async () => {
    for (const mechanism of [null, "ANONYMOUS", "MSSBCBS"]) {
      const wire = new Wire();
      if (mechanism !== null) {
        expect(names(await wire.say(SASL_HEADER))).toEqual(["header 3", "sasl 0"]);
        const [outcome] = await wire.say(saslFrame("sasl_init", { mechanism }));
        expect(outcome!.performative["code"]).toBe(0);
      }
      const sent = await wire.say(HEADER, OPEN, BEGIN, attachSender());
      expect(names(sent)).toEqual(["header 0", "open", "begin", "attach", "detach"]);
      expect(conditionOf(sent, "detach")).toBe("amqp:unauthorized-access");
      expect(sent[3]!.performative["target"]).toMatchObject({ value: null });
      expect(wire.connection.isOpen).toBe(true);
    }
  });

  test("EXTERNAL without a certificate, and a mechanism that is not offered, are refused", async () => {
    for (const mechanism of ["EXTERNAL", "__proto__"]) {
      const wire = new Wire();
      const sent = await wire.say(SASL_HEADER, saslFrame("sasl_init", { mechanism }));
      expect(sent.at(-1)!.performative["code"]).toBe(1);
      expect(wire.reason?.code).toBe("refused");
    }
  });

  test("who never opens, and who never shows what he is, is cut", async () => {
    const silent = new Wire();
    await silent.ticks(31);
    expect(silent.reason?.code).toBe("open_timeout");
    const nobody = new Wire();
    await nobody.say(HEADER, OPEN);
    expect(conditionOf(await nobody.ticks(62), "close")).toBe("amqp:unauthorized-access");
  });

  test("an idle connection is kept alive as it asked for, and ended after 240 s of silence", async () => {
    const wire = new Wire();
    await wire.begin();
    const asking = new Wire();
    asking.tokens.set("d1", Infinity);
    await asking.say(HEADER, frame("open", { container_id: "c", idle_time_out: 10_000 }));
    const sent = await asking.ticks(30);
    expect(names(sent).filter((name) => name === "empty").length).toBeGreaterThanOrEqual(5);
    expect(names(await wire.ticks(30))).toEqual([]); // it did not ask
    expect(conditionOf(await wire.ticks(220), "close")).toBe("amqp:resource-limit-exceeded");
  });

  test("an identity that is one no longer loses its links, and the last one ends the connection", async () => {
    const wire = await new Wire().begin();
    const state = listening(wire);
    await wire.say(attachSender());
    wire.tokens.set("d2", 5_000);
    wire.connection.authority.show({ deviceId: "d2", moduleId: null }, "good");
    expect(wire.shown).toEqual(["d1 until Infinity", "d2 until 5000"]);
    wire.connection.revoke("d1", REFUSED.expired, "token_expired");
    expect(conditionOf(await wire.say(), "detach")).toBe("amqp:unauthorized-access");
    expect(state.got).toEqual(["end"]);
    expect(conditionOf(await wire.say(attachSender({ name: "again", handle: 1 })), "detach")).toBe(
      "amqp:unauthorized-access",
    );
    wire.connection.revoke("d2", REFUSED.stolen, "taken_over");
    await wire.say();
    expect(wire.reason).toMatchObject({ code: "taken_over", condition: "amqp:link:stolen" });
  });
});

/** What must not be done, what the connection ends with, and after what it is done. */
const VIOLATIONS: readonly (readonly [what: string, code: CloseCode, bytes: readonly Buffer[]])[] = [
  ["another OPEN", "performative_unexpected", [OPEN]],
  [
    "a BEGIN that answers one that was never sent",
    "performative_unexpected",
    [frame("begin", { remote_channel: 0, next_outgoing_id: 0, incoming_window: 1, outgoing_window: 1 }, 1)],
  ],
  ["a second session on a channel", "channel_in_use", [BEGIN]],
  [
    "a channel beyond the maximum",
    "sessions_too_many",
    [frame("begin", { next_outgoing_id: 0, incoming_window: 1, outgoing_window: 1 }, 64)],
  ],
  ["a link on a channel without session", "channel_unknown", [frame("detach", { handle: 0 }, 9)]],
  ["a handle beyond the maximum", "links_too_many", [attachSender({ handle: 256 })]],
  ["a name of a kilobyte", "links_too_many", [attachSender({ name: "n".repeat(1024) })]],
  ["a handle twice", "handle_in_use", [attachSender(), attachSender({ name: "other" })]],
  ["a name twice", "link_name_in_use", [attachSender(), attachSender({ handle: 2 })]],
  ["a transfer before its link", "handle_unknown", [transfer(0)]],
  [
    "a flow of no link",
    "handle_unknown",
    [frame("flow", { incoming_window: 1, next_outgoing_id: 0, outgoing_window: 1, handle: 7 })],
  ],
  ["a transfer on a link that receives", "transfer_unexpected", [attachReceiver({ handle: 0 }), transfer(0)]],
  ["a delivery id that is skipped", "delivery_id_malformed", [attachSender(), transfer(0), transfer(2)]],
  [
    "a delivery without an id",
    "delivery_id_malformed",
    [attachSender(), frame("transfer", { handle: 0 }, 0, Buffer.from("x"))],
  ],
  [
    "a disposition of deliveries never made",
    "disposition_range",
    [frame("disposition", { role: true, first: 0, last: 4_000_000_000, settled: true })],
  ],
  [
    "a disposition that runs backwards",
    "disposition_range",
    [frame("disposition", { role: false, first: 9, last: 1 })],
  ],
  [
    "an array of thousands of millions",
    "performative_malformed",
    [
      Buffer.concat([
        Buffer.from([0, 0, 0, 24, 2, 0, 0, 0, 0x00, 0x53, 0x18, 0xc0, 12, 1]),
        Buffer.from([0xf0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x40]),
      ]),
    ],
  ],
  [
    "a performative of the server",
    "performative_malformed",
    [saslFrame("sasl_outcome", { code: 0 }).fill(0, 5, 6)],
  ],
  ["a SASL frame", "frame_malformed", [saslFrame("sasl_init", { mechanism: "PLAIN" })]],
  [
    "bytes behind a performative that carries none",
    "performative_malformed",
    [frame("end", {}, 0, Buffer.from("x"))],
  ],
];

describe("violations", () => {
  test.for(VIOLATIONS)("%s ends the connection, and is said", async ([, code, bytes]) => {
    const wire = await new Wire().begin();
    listening(wire);
    const sent = await wire.say(...bytes);
    expect(wire.reason?.code).toBe(code);
    expect(names(sent).at(-1)).toBe("close");
    expect(conditionOf(sent, "close")).toBe(wire.reason!.condition);
    expect(names(await wire.say(...bytes))).toEqual([]);
  });

  test.for<readonly [string, CloseCode, readonly Buffer[]]>([
    ["another protocol", "header_unknown", [Buffer.from("GET / HTTP/1.1\r\n\r\n")]],
    [
      "SASL within SASL",
      "header_unknown",
      [SASL_HEADER, saslFrame("sasl_init", { mechanism: "ANONYMOUS" }), SASL_HEADER],
    ],
    [
      "a SASL-INIT that is none",
      "sasl_malformed",
      [SASL_HEADER, Buffer.from([0, 0, 0, 9, 2, 1, 0, 0, 0x40])],
    ],
    ["BEGIN before OPEN", "performative_unexpected", [HEADER, BEGIN]],
    ["a frame of 16 MB before OPEN", "frame_too_large", [HEADER, Buffer.from([1, 0, 0, 0])]],
    [
      "a frame size of less than 512",
      "frame_size_too_small",
      [HEADER, frame("open", { container_id: "c", max_frame_size: 100 })],
    ],
    [
      "an idle time-out of 100 ms",
      "idle_timeout_too_short",
      [HEADER, frame("open", { container_id: "c", idle_time_out: 100 })],
    ],
  ])("%s ends the connection before it is open", async ([, code, bytes]) => {
    const wire = new Wire();
    await wire.say(...bytes);
    expect(wire.reason?.code).toBe(code);
    expect(CLOSE_CODES).toContain(code);
  });

  test("more transfers than the session window end the connection, and a served window is renewed", async () => {
    const wire = await new Wire().begin();
    const state = listening(wire, 1_000_000);
    await wire.say(attachSender());
    const parts = (n: number, id: number) =>
      Array.from({ length: n }, () => transfer(id, "x", { more: true }));
    const sent = await wire.say(...parts(1500, 0));
    expect(names(sent)).toContain("flow");
    await wire.say(...parts(2049, 0));
    expect(wire.reason?.code).toBe("window_violated");
    expect(state.got).toEqual(["end"]);
  });

  test("messages beyond the credit detach the link, and the connection goes on", async () => {
    const wire = await new Wire().begin();
    const state = listening(wire, 2);
    await wire.say(attachSender());
    const sent = await wire.say(transfer(0, "a"), transfer(1, "b"), transfer(2, "c"), transfer(3, "d"));
    expect(conditionOf(sent, "detach")).toBe("amqp:link:transfer-limit-exceeded");
    expect(state.got).toEqual(["a", "b", "end"]);
    expect(wire.connection.isOpen).toBe(true);
  });

  test("unfinished messages of all links together have a bound", async () => {
    const wire = await new Wire().begin();
    listening(wire);
    const part = "x".repeat(60_000);
    for (let handle = 0; handle < 12 && wire.reason === null; handle++) {
      await wire.say(attachSender({ name: `s${handle}`, handle }));
      const parts = Array.from({ length: 17 }, () => transfer(handle, part, { handle, more: true }));
      await wire.say(...parts);
    }
    expect(wire.reason?.code).toBe("partial_too_large");
  });
});

test.for([
  [{}, "amqp:connection:forced"],
  [{ properties: { "com.microsoft:client-version": "azure-iot-device/1.18.4" } }, null],
] as const)(
  "a hub that stops says so, except to Microsoft's SDK, which comes back only without a condition: %j",
  async ([fields, condition]) => {
    const wire = await new Wire().begin();
    listening(wire);
    await wire.say(attachSender(fields));
    wire.connection.close("shutdown");
    await wire.say();
    expect(wire.reason).toMatchObject({ code: "shutdown", condition });
  },
);

describe("links", () => {
  test("credit given and messages unsettled stay within the window together", async () => {
    const wire = await new Wire().begin();
    const state = listening(wire, 4);
    const creditOf = (sent: Awaited<ReturnType<Wire["say"]>>) =>
      sent.filter(({ name }) => name === "flow").map(({ performative }) => performative["link_credit"]);
    expect(creditOf(await wire.say(attachSender()))).toEqual([4]);
    expect(creditOf(await wire.say(transfer(0), transfer(1), transfer(2), transfer(3)))).toEqual([]);
    state.link!.settle(0, "accepted");
    state.link!.settle(1, "accepted");
    const sent = await wire.say();
    expect(names(sent)).toEqual(["disposition", "flow"]);
    expect(sent[0]!.performative).toMatchObject({ first: 0, last: 1, settled: true });
    expect(creditOf(sent)).toEqual([2]);
    state.link!.window = 0;
    state.link!.settle(2, "accepted");
    state.link!.settle(3, "rejected", { condition: "x:y", description: "z" });
    expect(names(await wire.say())).toEqual(["disposition", "disposition"]);
  });

  test("delivery ids go on past 2^32", async () => {
    const wire = await new Wire().begin();
    const state = listening(wire);
    await wire.say(attachSender());
    await wire.say(transfer(0xffffffff, "a"), transfer(0, "b"));
    expect(state.got).toEqual(["a", "b"]);
    state.link!.settle(0xffffffff, "accepted");
    state.link!.settle(0, "accepted");
    const [sent] = await wire.say();
    expect(sent!.performative).toMatchObject({ first: 0xffffffff, last: 0 });
  });

  test("an aborted delivery leaves nothing, and the next begins anew", async () => {
    const wire = await new Wire().begin();
    const state = listening(wire);
    await wire.say(attachSender());
    await wire.say(
      transfer(0, "half", { more: true }),
      transfer(0, "", { aborted: true }),
      transfer(1, "whole"),
    );
    expect(state.got).toEqual(["whole"]);
  });

  test("nothing is sent beyond credit or the session's window, and a message goes on when it opens", async () => {
    const wire = await new Wire().begin();
    const state = listening(wire);
    await wire.say(attachReceiver());
    expect(state.out!.canSend).toBe(false);
    const flow = (fields: object) =>
      frame("flow", {
        next_incoming_id: 0,
        incoming_window: 100,
        next_outgoing_id: 0,
        outgoing_window: 9,
        handle: 1,
        ...fields,
      });
    await wire.say(flow({ incoming_window: 1, delivery_count: 0, link_credit: 2 }));
    const large = Buffer.alloc(50_000, "y");
    state.out!.send(large, Buffer.from("t"), false, 7);
    expect(names(await wire.say())).toEqual(["transfer"]);
    expect(state.out!.canSend).toBe(false);
    const sent = await wire.say(flow({ next_incoming_id: 1, delivery_count: 0, link_credit: 2 }));
    expect(sent.map(({ performative }) => performative["more"])).toEqual([false]);
    expect(state.out!.canSend).toBe(true);
    await wire.say(frame("disposition", { role: true, first: 0, settled: true, state: accepted }));
    expect(state.got).toEqual(["7 accepted"]);
    const drained = await wire.say(
      flow({ next_incoming_id: 2, delivery_count: 1, link_credit: 9, drain: true }),
    );
    expect(drained[0]!.performative).toMatchObject({ delivery_count: 10, link_credit: 0 });
  });

  test("a peer that reads nothing is cut when too much waits for it", async () => {
    const wire = await new Wire().begin();
    const state = listening(wire);
    await wire.say(attachReceiver());
    await wire.say(
      frame("flow", {
        next_incoming_id: 0,
        incoming_window: 9e6,
        next_outgoing_id: 0,
        outgoing_window: 9,
        handle: 1,
        delivery_count: 0,
        link_credit: 9e6,
      }),
    );
    wire.stream.isStuck = true;
    const message = Buffer.alloc(30_000);
    let sent = 0;
    while (state.out!.canSend && sent < 1000) {
      state.out!.send(message, Buffer.from("t"), true, sent++);
      await wire.say();
    }
    expect(sent * message.length).toBeLessThan(1_200_000); // links stop by themselves
    for (let i = 0; i < 1000 && wire.reason === null; i++) {
      for (let n = 0; n < 20; n++) wire.connection.outbox.put(Buffer.alloc(30_000));
      await wire.say();
    }
    expect(wire.reason?.code).toBe("slow_reader");
  });
});

describe("streams", () => {
  test(`any mutation of a conversation ends in a closed or an open connection, never in an exception (SEED=${seed})`, async () => {
    const random = new Random(seed);
    const parts = [
      attachSender(),
      attachReceiver(),
      transfer(0),
      transfer(1, "y", { more: true }),
      transfer(1, "z"),
      frame("flow", {
        next_incoming_id: 0,
        incoming_window: 9,
        next_outgoing_id: 0,
        outgoing_window: 9,
        handle: 1,
        link_credit: 3,
      }),
      frame("disposition", { role: false, first: 0, last: 1, settled: true }),
      frame("detach", { handle: 0, closed: true }),
      frame("end", {}),
      BEGIN,
    ];
    const ends = new Set<string>();
    for (let round = 0; round < 500; round++) {
      const wire = await new Wire().begin();
      listening(wire);
      const stream = Buffer.concat(random.chance(50) ? parts : parts.toSorted(() => random.below(3) - 1));
      for (let n = random.below(4); n > 0; n--) stream[random.below(stream.length)] = random.below(256);
      await wire.say(stream);
      ends.add(wire.reason?.code ?? "open");
      wire.connection.close("shutdown");
    }
    expect(ends.size).toBeGreaterThan(6);
  });
});

const { accepted: makeAccepted } = rhea.message as unknown as Record<
  string,
  (fields: object) => { described(): object }
>;
const accepted = makeAccepted!({}).described();
