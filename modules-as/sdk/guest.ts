/**
 * The exports of a module, and the loop over a batch. The compiler writes a small file that joins this with
 * the handlers of the module; nobody else imports it.
 */
import { BATCH, BATCH_MAGIC, ENTRY, ENTRY_FLAG, INIT, INIT_MAGIC, RECORD } from "./abi";
import { config } from "./config";
import { Place, Region, getU16, getU32, setU32 } from "./memory";
import { Message } from "./message";
import { beginRecord, beginResult, declareOutputs, endResult, hasRoomForAnother } from "./result";

export { Message };

const mailbox = new Region();
const message = new Message();

/** Says that the module speaks ABI v1. Never called. */
export function sp_abi_v1(): void {}

/** Space for the next record or batch, or 0 when the memory of the module does not allow it. */
export function sp_mailbox(capacity: u32): Place {
  return mailbox.ensure(capacity, 0) ? mailbox.place : 0;
}

/** What `sp_init` does. A refusal is a trap, because a trap can say why. */
export function initialize(at: Place, outputs: StaticArray<string>): i32 {
  if (getU32(at + INIT.MAGIC) != INIT_MAGIC) throw new Error("init: wrong magic number");
  for (let word: usize = 0; word < 16; word += 4) setU32(at + INIT.FEATURES + word, 0);
  declareOutputs(outputs);
  config.load(at + getU16(at + INIT.HEADER), getU32(at + INIT.CONFIG_LEN));
  return 0;
}

/** Handles the records of a batch in their order, for as long as the result has room. */
export function serve(
  at: Place,
  onMessage: (input: u32, message: Message) => void,
  onTimer: (timer: u32) => void,
): Place {
  if (getU32(at + BATCH.MAGIC) != BATCH_MAGIC) throw new Error("batch: wrong magic number");
  const count = getU32(at + BATCH.COUNT);
  beginResult(getU32(at + BATCH.OUT_MAX));
  let entry = at + getU16(at + BATCH.HEADER);
  let index: u32 = 0;
  while (index < count && hasRoomForAnother()) {
    beginRecord(index);
    const kind = getU16(entry + ENTRY.KIND);
    if (kind == RECORD.MESSAGE) {
      message.moveTo(entry, index);
      onMessage(getU16(entry + ENTRY.PORT), message);
    } else if (kind == RECORD.TIMER) {
      onTimer(getU16(entry + ENTRY.PORT));
    } else if ((getU16(entry + ENTRY.FLAGS) & ENTRY_FLAG.MAY_IGNORE) == 0) {
      throw new Error(`record of kind ${kind.toString()}, which this module does not know`);
    }
    entry += getU32(entry + ENTRY.TOTAL);
    index++;
  }
  return endResult(index, count);
}

export function noSuchInput(input: u32): void {
  throw new Error(`record for input ${input.toString()}, which this module does not have`);
}
export function noSuchTimer(timer: u32): void {
  throw new Error(`record for timer ${timer.toString()}, which this module does not have`);
}
