import { beforeAll, describe, expect, test } from "vitest";
import { Block, ENTRY_FLAG, PROPERTY, PROPERTY_ID, PROPERTY_TYPE, VERDICT, align4 } from "../../abi/index.ts";
import { readVector } from "../abi/hex-file.ts";
import { compileModule } from "../../toolchain/compile/compile.ts";
import { Probe } from "./probe.ts";
import { GuestAbort, TestGuest, encodeBatch, type TestMessage } from "./test-guest.ts";

let probe: Probe;
beforeAll(async () => {
  probe = await Probe.compile();
}, 60_000);

const misc = (body: string): TestMessage => probe.to("misc", { body });

describe("a message", () => {
  test("shows what the hub knows of it, and its properties by name", () => {
    const guest = probe.guest({
      config: { names: "a,ü,absent,empty,none" },
      sources: { 7: "gateway/sensor" },
    });
    const [effect] = guest.run([
      probe.to("describe", {
        sourceId: 7,
        body: "hällo",
        attempt: 3,
        enqueued: 1_600_000_000_000.5,
        sequence: 258,
        system: [
          { id: PROPERTY_ID.MESSAGE_ID, value: "m" },
          { id: PROPERTY_ID.CORRELATION_ID, value: "c" },
          { id: PROPERTY_ID.CONTENT_TYPE, value: "text/plain" },
          { id: PROPERTY_ID.CONTENT_ENCODING, value: "utf-8" },
        ],
        properties: { b: "x", a: "1", ü: "ö😀", empty: "", none: null },
      }),
    ]);
    expect(JSON.parse(effect!.text!)).toEqual({
      source: "gateway/sensor",
      enqueued: 1_600_000_000_000.5,
      attempt: 3,
      uid: "04030201050000000201000000000000",
      bodyLength: 6,
      text: "hällo",
      messageId: "m",
      correlationId: "c",
      contentType: "text/plain",
      contentEncoding: "utf-8",
      "p:a": "1",
      "p:ü": "ö😀",
      "p:absent": null,
      "p:empty": "",
      "p:none": null,
    });
  });

  test("shows properties of every type in the text form that abi/ gives them", () => {
    const values: [number, Buffer, string][] = [
      [PROPERTY_TYPE.BOOL, Buffer.from([1]), "true"],
      [PROPERTY_TYPE.I64, i64(-5n), "-5"],
      [PROPERTY_TYPE.U64, i64(-1n), "18446744073709551615"],
      [PROPERTY_TYPE.F64, f64(21.5), "21.5"],
      [PROPERTY_TYPE.TIME, f64(1_600_000_000_000), "2020-09-13T12:26:40.000Z"],
      [PROPERTY_TYPE.BINARY, Buffer.from([1, 2, 3, 255]), "AQID/w=="],
      [PROPERTY_TYPE.NULL, Buffer.alloc(0), null as unknown as string],
    ];
    const guest = probe.guest({ config: { names: "p" } });
    for (const [type, bytes, text] of values) {
      const [effect] = guest.run([probe.to("describe", { app: typedProperty("p", type, bytes) })]);
      expect(JSON.parse(effect!.text!)["p:p"]).toBe(text);
    }
  });

  test("that is forwarded costs an effect with its index and no copy", () => {
    const effects = probe.guest().run([misc("nothing"), probe.to("forward", {}), probe.to("forward", {})]);
    expect(effects).toEqual([
      { kind: "pass", port: probe.module.manifest.outputs.indexOf("passed"), cause: 1, record: 1 },
      { kind: "pass", port: probe.module.manifest.outputs.indexOf("passed"), cause: 2, record: 2 },
    ]);
  });

  test("that is rejected goes to the dead letters with the author's reason", () => {
    const [effect] = probe.guest().run([misc("reject")]);
    expect(effect).toMatchObject({ kind: "verdict", verdict: VERDICT.DEAD_LETTER, reason: "not for us" });
  });

  test("keeps its source's name without asking the host again", () => {
    const guest = probe.guest({ sources: { 1: "first", 2: "second" } });
    const names = [1, 2, 1, 2].map((sourceId) => {
      const [effect] = guest.run([probe.to("describe", { sourceId })]);
      return JSON.parse(effect!.text!).source as string;
    });
    expect(names).toEqual(["first", "second", "first", "second"]);
  });
});

describe("an emitted message", () => {
  test("carries its body, its properties and nothing that is the host's to say", () => {
    const [bytes, text, copy] = probe
      .guest()
      .run([probe.to("build", { body: "Bödy", properties: { a: "old", keep: "me" } })]);
    expect(bytes).toMatchObject({
      text: "Bödy",
      properties: {
        one: "uno",
        tëst: "wért",
        empty: "",
        messageId: "m-1",
        correlationId: "c-1",
        contentType: "x/y",
      },
      frame: { sourceId: 0, hops: 0, enqueuedWall: 0, uid: "0".repeat(32) },
    });
    expect(bytes!.frame!.properties.map(({ name }) => name)).toEqual(["tëst", "one", "empty"]);
    expect(text).toMatchObject({
      text: "Bödy!",
      properties: { contentType: "text/plain", contentEncoding: "utf-8", a: "b" },
    });
    expect(copy).toMatchObject({ text: "Bödy", properties: { a: "changed", keep: "me", new: "n" } });
  });

  test("as JSON says so, which is what lets route queries look into it", () => {
    const [effect] = probe.guest().run([misc("escape")]);
    expect(effect!.properties).toEqual({ contentType: "application/json", contentEncoding: "utf-8" });
    expect(JSON.parse(effect!.text!)).toEqual({ 'q"\\\n\u0001': "ü😀\t" });
  });

  test.for(["chain", "late"])("cannot be added to once the handler went on (%s)", (how) => {
    const guest = probe.guest();
    guest.run([misc("keep")]);
    expect(() => guest.run([misc(how)])).toThrow("can be added to only until");
  });

  test("that is larger than a frame may be is a trap that says so", () => {
    expect(() => probe.guest().run([misc("grow")])).toThrow("message of 300000 bytes, more than 270336");
  });

  test("has at most 128 properties", () => {
    expect(() => probe.guest().run([misc("properties")])).toThrow("more than 128 properties");
  });

  test("cannot leave a module while it starts", async () => {
    const early = await compileSource(
      'import { Message, emitText } from "@sandpiper/module";\nemitText("a", "b");\n',
    );
    expect(() => new TestGuest(early)).toThrow("nothing can be sent while the module starts");
  });
});

describe("a batch", () => {
  test("is answered with 0 when it has nothing to say", () => {
    const guest = probe.guest();
    expect(guest.send(encodeBatch([misc("nothing")], 1 << 20))).toBe(0);
  });

  test("gives every effect the index of the record that caused it", () => {
    const effects = probe.guest().run([{ timer: 1 }, misc("nothing"), misc("keep"), { timer: 0 }]);
    expect(effects.map(({ cause, text }) => [cause, text])).toEqual([
      [0, "tock"],
      [2, "kept"],
      [3, "tick"],
    ]);
  });

  test("stops early when half the result is full, and no record runs twice", () => {
    const guest = probe.guest({ outMax: 4096 });
    const records = Array.from({ length: 50 }, () => probe.to("sized", { body: "500" }));
    const effects = guest.run(records);
    expect(effects.map(({ cause }) => cause)).toEqual(records.map((_, index) => index));
    expect(guest.calls.length).toBeGreaterThan(5);
    expect(guest.kv.get("sized")!.readDoubleLE()).toBe(50);
  });

  test("traps when one record alone fills the result, so that it is not run again after it wrote", () => {
    const guest = probe.guest({ outMax: 4096 });
    guest.run([probe.to("sized", { body: "10" })]);
    expect(() => guest.run([probe.to("sized", { body: "5000" })])).toThrow(
      "more than 4096 bytes from one record",
    );
    expect(guest.kv.get("sized")!.readDoubleLE()).toBe(1);
  });

  test("skips a record of unknown kind that may be ignored, and traps on one that may not", () => {
    const guest = probe.guest();
    const effects = guest.run([{ kind: 99, flags: ENTRY_FLAG.MAY_IGNORE }, { timer: 0 }]);
    expect(effects.map(({ cause }) => cause)).toEqual([1]);
    expect(() => guest.run([{ kind: 99, flags: 0 }])).toThrow("record of kind 99");
  });

  test("for a port that the module has not is a trap", () => {
    expect(() => probe.guest().run([{ input: 60, body: "" }])).toThrow("record for input 60");
    expect(() => probe.guest().run([{ timer: 60 }])).toThrow("record for timer 60");
  });

  test("of forwarded messages leaves the module's memory as it was, however many there are", () => {
    const guest = probe.guest();
    const bytes = encodeBatch(
      Array.from({ length: 200 }, () => probe.to("forward", { body: "x".repeat(250) })),
      1 << 20,
    );
    guest.send(bytes);
    const before = guest.exports.memory.buffer.byteLength;
    for (let i = 0; i < 500; i++) guest.send(bytes);
    expect(guest.exports.memory.buffer.byteLength).toBe(before);
  });

  test("that does not fit the memory of the module is refused by its mailbox, which goes on serving", () => {
    const guest = probe.guest();
    expect(guest.exports.sp_mailbox(1 << 30)).toBe(0);
    expect(guest.run([probe.to("forward", {})])).toHaveLength(1);
  });
});

describe("the key-value store", () => {
  const ask = (guest: TestGuest, text: string): string =>
    guest.run([probe.to("kv", { body: text })])[0]!.text!;

  test("keeps text, bytes and numbers", () => {
    const guest = probe.guest();
    expect(ask(guest, "get a")).toBe("absent");
    expect(ask(guest, "has a")).toBe("no");
    expect(ask(guest, "put ä wörd")).toBe("done");
    expect(guest.kv.get("ä")!.toString()).toBe("wörd");
    expect(ask(guest, "get ä")).toBe("wörd");
    expect(ask(guest, "has ä")).toBe("yes");
    expect(ask(guest, "remove ä")).toBe("yes");
    expect(ask(guest, "remove ä")).toBe("no");
    expect(ask(guest, "bytes b")).toBe("7");
    expect(ask(guest, "i64 c")).toBe("-9007199254740994");
    expect(ask(guest, "i64 c")).toBe("-9007199254740995");
    expect(ask(guest, "fill d 60000")).toBe("done");
    expect(ask(guest, "get d")).toBe("x".repeat(60000));
  });

  test("lists keys with a prefix in the order of their bytes", () => {
    const guest = probe.guest();
    for (const key of ["b", "a/2", "a/10", "a/é", "c"]) ask(guest, `put ${key} 1`);
    expect(ask(guest, "keys a/")).toBe("a/10,a/2,a/é,");
    expect(ask(guest, "keys ")).toBe("a/10,a/2,a/é,b,c,");
  });

  test("shows a batch its own writes, and drops them when it traps", () => {
    const guest = probe.guest();
    const count = probe.to("kv", { body: "count n" });
    expect(guest.run([count, count, count]).map(({ text }) => text)).toEqual(["1", "2", "3"]);
    expect(() => guest.run([count, misc("trap")])).toThrow(WebAssembly.RuntimeError);
    expect(guest.kv.get("n")!.readDoubleLE()).toBe(3);
  });

  test.for([
    ["fill big 65537", 'value of "big" has 65537 bytes, more than 65536'],
    ["fill big 5000", 'no room for "big": the quota of the module is used up'],
    ["has ", "a key of no length"],
    [`put ${"k".repeat(513)} x`, "is longer than 512 bytes"],
  ])("traps with a reason where a limit is broken: %.30s", ([text, reason]) => {
    const guest = probe.guest({ kvBytesMax: 1000 });
    expect(() => ask(guest, text!)).toThrow(GuestAbort);
    expect(() => ask(guest, text!)).toThrow(reason!);
  });

  test("says so when a value is not the number that was asked for", () => {
    const guest = probe.guest();
    ask(guest, "put n word");
    expect(() => ask(guest, "count n")).toThrow('value of "n" is not a number (4 bytes)');
  });
});

test("the SDK answers the golden batch with the golden result, byte by byte", async () => {
  const { wasm } = await compileModule({
    source: `import { Message, emitText } from "@sandpiper/module";
      @input("a") export function onA(message: Message): void { message.forward("first"); }
      @input("b") export function onB(message: Message): void { message.reject("not for us"); }
      @every(1000) export function tick(): void { emitText("second", "tick").property("level", "high"); }`,
    release: false,
  });
  const guest = new TestGuest(wasm);
  const expected = readVector("result");
  const at = guest.send(readVector("batch"));
  expect(Buffer.from(guest.exports.memory.buffer, at, expected.length).toString("hex")).toBe(
    expected.toString("hex"),
  );
});

describe("host services", () => {
  test("logs at each level, cut at a character when the line is too long", () => {
    const guest = probe.guest();
    guest.run([probe.to("log", { body: "hällo" })]);
    expect(guest.log).toEqual([0, 1, 2, 3].map((level) => ({ level, text: "hällo" })));
    guest.log.length = 0;
    guest.run([probe.to("log", { body: "é".repeat(5000) })]);
    expect(guest.log[0]!.text).toBe("é".repeat(2048));
    guest.run([probe.to("log", { body: `a${"é".repeat(5000)}` })]);
    expect(guest.log.at(-1)!.text).toBe(`a${"é".repeat(2047)}`);
  });

  test("reads the configuration, and falls back where it says nothing of the kind", () => {
    const read = (config: unknown): string => probe.guest({ config }).run([misc("config")])[0]!.text!;
    expect(read({ n: 2.5, s: "text", b: true })).toBe("2.5texttrue");
    expect(read({ n: "2", s: 1, b: null })).toBe("1.0dfalse");
    expect(read(null)).toBe("1.0dfalse");
  });

  test("reads JSON that is not a message's", () => {
    expect(probe.guest().run([misc("fromText")])[0]!.text).toBe('{"a":[1,"ü"]}true');
  });

  test("gives time and randomness from the host", () => {
    const guest = probe.guest({ nowMs: () => 1234 });
    expect(guest.run([misc("clock")])[0]!.text).toBe("1234.0 1234.0");
    expect(Number(guest.run([misc("random")])[0]!.text)).toBeCloseTo(0.502, 2);
  });
});

async function compileSource(source: string): Promise<Uint8Array> {
  const handler = '@input("a") export function onA(message: Message): void { message.forward("a"); }';
  return (await compileModule({ source: `${source}${handler}`, release: false })).wasm;
}

function i64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(value);
  return bytes;
}
function f64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}

function typedProperty(name: string, type: number, value: Buffer): Uint8Array {
  const length = align4(PROPERTY.SIZE + name.length + value.length);
  const block = Block.allocate(length);
  block.u8[PROPERTY.TYPE] = type;
  block.u16[PROPERTY.NAME_LEN >> 1] = name.length;
  block.u32[PROPERTY.VALUE_LEN >> 2] = value.length;
  block.u8.write(name, PROPERTY.SIZE);
  block.u8.set(value, PROPERTY.SIZE + name.length);
  return block.u8.subarray(0, length);
}
