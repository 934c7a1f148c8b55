/** Messages for the tests of conditions: a plain one, the two of contract §3.8, and one in a frame. */
import {
  Block,
  encodeProperties,
  frameLength,
  sections,
  SYSTEM_PROPERTIES,
  writeFrame,
} from "../../../abi/index.ts";
import type { MessageOrigin, RouteMessage } from "../../../hub/router/message.ts";

type Properties = Readonly<Record<string, string | null>>;

/** The obvious implementation, to hold others against. */
export class TableMessage implements RouteMessage {
  readonly #application: ReadonlyMap<string, string | null>;
  readonly #system: ReadonlyMap<string, string | null>;
  readonly #body: unknown;
  bodyReads = 0;

  constructor(application: Properties, system: Properties, body?: unknown) {
    const lowered = (properties: Properties): ReadonlyMap<string, string | null> =>
      new Map(Object.entries(properties).map(([name, value]) => [name.toLowerCase(), value]));
    this.#application = lowered(application);
    this.#system = lowered(system);
    this.#body = body;
  }

  application(name: string): string | null | undefined {
    return this.#application.get(name.toLowerCase());
  }

  system(name: string): string | null | undefined {
    return this.#system.get(name.toLowerCase());
  }

  body(): unknown {
    this.bodyReads++;
    return this.#body;
  }
}

const P_APPLICATION = { key1: "value1", key2: "3", key3: "VALUE3", null_value: null, $sys4: "value4" };
const P_SYSTEM = { sys1: "sysvalue1", sys2: "4", sys3: "sysvalue3", sysnull: null, sys4: "sysvalue4" };
export const MESSAGE_P = new TableMessage(P_APPLICATION, P_SYSTEM);

const B_APPLICATION = {
  City: "Redmond",
  $State: "WA",
  "$body.message.Weather.Temperature_PropertyConflict": "100",
};
const B_SYSTEM = { contentType: "application/json", contentEncoding: "utf-8" };
const B_BODY = {
  message: {
    Weather: {
      Temperature: 50,
      Temperature_PropertyConflict: 50,
      FreezingTemperature: -50.4,
      PreciseTemperature: 50.4,
      PrevTemperatures: [20, 30, 40],
      IsEnabled: true,
      IsDisabled: false,
      Time: "2017-03-09T00:00:00.000Z",
      Location: { Street: "One Microsoft Way", City: "Redmond", State: "WA" },
      HistoricalData: [
        { Month: "Feb", Temperature: 40 },
        { Month: "Jan", Temperature: 30 },
      ],
      NullValue: null,
    },
  },
};
export const MESSAGE_B = new TableMessage(B_APPLICATION, B_SYSTEM, B_BODY);

export const DEVICE: MessageOrigin = { deviceId: "sensor-1", moduleId: null, output: null };

export interface FrameParts {
  readonly application?: Properties;
  readonly system?: Properties;
  readonly body?: Uint8Array;
  readonly enqueuedWall?: number;
}

/** A frame somewhere inside a block: at `frameAt`, with noise around it. */
export function frameOf(parts: FrameParts): { block: Block; frameAt: number } {
  const system = Object.entries(parts.system ?? {}).map(([name, value]) => {
    const id = SYSTEM_PROPERTIES.findIndex((known) => known.name === name);
    return { id, value };
  });
  const application = Object.entries(parts.application ?? {}).map(([name, value]) => ({ name, value }));
  return rawFrame(encodeProperties(system), encodeProperties(application), parts);
}

export function rawFrame(
  system: Uint8Array,
  application: Uint8Array,
  parts: FrameParts = {},
): { block: Block; frameAt: number } {
  const body = Buffer.from(parts.body ?? []);
  const contents = sections(system, application);
  const frameAt = 64;
  const block = Block.allocate(frameAt + frameLength(contents, body.length) + 64);
  block.u8.fill(0xff);
  writeFrame(block, frameAt, 1, parts.enqueuedWall ?? 0, contents, body, 0, body.length);
  return { block, frameAt };
}

export const FRAME_B = frameOf({
  application: B_APPLICATION,
  system: B_SYSTEM,
  body: Buffer.from(JSON.stringify(B_BODY)),
});
