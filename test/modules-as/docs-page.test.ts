/** The example of docs/modules.md: an author who copies it gets what the page says. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { FEATURE, REPLY_STATUS } from "../../abi/index.ts";
import { desiredRecord, methodRecord, replyRecord } from "../../hub/modules/feature-records.ts";
import { compileModule } from "../../toolchain/compile/compile.ts";
import { TestGuest, type TestEffect, type TestRecord } from "./test-guest.ts";

const PAGE = readFileSync(new URL("../../docs/modules.md", import.meta.url), "utf8");
const record = (bytes: ArrayBuffer): TestRecord => ({ record: new Uint8Array(bytes) });
/** Compiling, on a busy machine. */
const COMPILE_MS_MAX = 120_000;

test(
  "the example compiles as it stands, and reports, calls, answers and follows its twin",
  async () => {
    const [, source] = /```ts\n([\s\S]*?)```/.exec(PAGE)!;
    const { wasm, manifest } = await compileModule({ source: source!, name: "boiler" });
    expect(manifest).toMatchObject({ methods: ["status"], capabilities: ["log", "kv", "twin", "invoke"] });
    const guest = new TestGuest(wasm, { features: FEATURE.TWIN | FEATURE.METHODS | FEATURE.INVOKE });
    const hot = { body: '{"celsius":95}' };
    const [report, call, again] = guest.run([hot, hot]) as [TestEffect, TestEffect, TestEffect];
    expect([report.text, again.kind]).toEqual(['{"celsius":95}', "report"]);
    const { corr, ...target } = call.invocation!;
    expect(target).toMatchObject({
      deviceId: "",
      moduleId: "valve",
      name: "open",
      payload: '{"percent":100}',
    });

    const status = record(methodRecord(1, Buffer.from("status"), Buffer.from("null")));
    expect(guest.run([status])).toMatchObject([{ kind: "reply", status: 200, text: '{"opening":true}' }]);
    const offline = Buffer.from('{"message":"nobody is there"}');
    guest.run([record(replyRecord(corr, REPLY_STATUS.OFFLINE, offline))]);
    expect(guest.run([status])).toMatchObject([{ text: '{"opening":false}' }]);

    const limit = Buffer.from('{"limit":99}');
    guest.run([record(desiredRecord(2, limit, limit))]);
    expect(guest.run([hot]).map(({ kind }) => kind)).toEqual(["report"]);
    expect(guest.log.map(({ text }) => text)).toEqual([
      'valve: status -404 {"message":"nobody is there"}',
      "limit is now 99.0",
    ]);
  },
  COMPILE_MS_MAX,
);
