/**
 * The module's own twin. Its desired properties are `config`, and a function marked `@desired` is called with
 * each change of them; what the module reports is seen by operators and by routes that take twin changes.
 */
import { EFFECT, EFFECT_HEADER, FEATURE, REPORT, REPORT_BYTES_MAX } from "./abi";
import { requireFeature } from "./features";
import { jsonLength, putJson } from "./json-payload";
import { align8, setU32, zero } from "./memory";
import { beginEffect } from "./result";

export namespace twin {
  /**
   * Patches the reported properties: objects are merged, `null` deletes. It counts when what the handler did counts.
   * A patch that breaks the limits of a twin is refused as a whole, and the module's log says why; nothing else
   * is lost by that.
   */
  export function report<T>(patch: T): void {
    requireFeature(FEATURE.TWIN, "twin.report");
    const length = jsonLength<T>(patch);
    if (length > REPORT_BYTES_MAX) {
      throw new Error(`twin.report: ${length.toString()} bytes, more than ${REPORT_BYTES_MAX.toString()}`);
    }
    const bytes = align8(REPORT.SIZE + length);
    const payload = beginEffect(EFFECT.REPORT, 0, bytes) + EFFECT_HEADER.SIZE;
    zero(payload + bytes - 8, 8);
    zero(payload, REPORT.SIZE);
    setU32(payload + REPORT.LENGTH, length);
    putJson<T>(payload + REPORT.SIZE, patch);
  }
}
