/**
 * The exports of a module, and the loop over a batch. The compiler writes a small file that joins this with
 * the handlers of the module; nobody else imports it.
 */
import { BATCH, BATCH_MAGIC, DESIRED, ENTRY, ENTRY_FLAG, INIT, INIT_MAGIC, RECORD } from "./abi";
import { config } from "./config";
import { useFeatures } from "./features";
import { InvokeReply, declareReplies, replyHandler } from "./invoke";
import { Json } from "./json";
import { MethodReply, MethodRequest, putReply } from "./method";
import { Place, Region, getU16, getU32, setU32 } from "./memory";
import { Message } from "./message";
import { beginRecord, beginResult, declareOutputs, endResult, hasRoomForAnother } from "./result";

export { InvokeReply, Json, Message, MethodReply, MethodRequest };

const mailbox = new Region();
const message = new Message();

/** Says that the module speaks ABI v1. Never called. */
export function sp_abi_v1(): void {}

/** Space for the next record or batch, or 0 when the memory of the module does not allow it. */
export function sp_mailbox(capacity: u32): Place {
  return mailbox.ensure(capacity, 0) ? mailbox.place : 0;
}

/**
 * What `sp_init` does. A refusal is a trap, because a trap can say why. `features`: of word 0, as the manifest
 * asks for them; `replies`: tags of the handlers of replies.
 */
export function initialize(
  at: Place,
  outputs: StaticArray<string>,
  features: u32,
  replies: StaticArray<string>,
): i32 {
  if (getU32(at + INIT.MAGIC) != INIT_MAGIC) throw new Error("init: wrong magic number");
  for (let word: usize = 4; word < 16; word += 4) setU32(at + INIT.FEATURES + word, 0);
  setU32(at + INIT.FEATURES, getU32(at + INIT.FEATURES) & features);
  useFeatures(features);
  declareOutputs(outputs);
  declareReplies(replies, getU32(at + INIT.INSTANCE));
  config.load(at + getU16(at + INIT.HEADER), getU32(at + INIT.CONFIG_LEN));
  return 0;
}

/**
 * Handles the records of a batch in their order, for as long as the result has room. `onControl` takes those of the
 * features that the module uses, and says whether it knows the kind.
 */
export function serve(
  at: Place,
  onMessage: (input: u32, message: Message) => void,
  onTimer: (timer: u32) => void,
  onControl: (kind: u32, entry: Place) => bool,
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
    } else if (!onControl(kind, entry) && (getU16(entry + ENTRY.FLAGS) & ENTRY_FLAG.MAY_IGNORE) == 0) {
      throw new Error(`record of kind ${kind.toString()}, which this module does not know`);
    }
    entry += getU32(entry + ENTRY.TOTAL);
    index++;
  }
  return endResult(index, count);
}

/** Takes the new configuration over; returns what of it has changed. */
export function changeConfig(entry: Place): Json {
  const payload = entry + getU16(entry + ENTRY.HEADER);
  const patchBytes = getU32(payload + DESIRED.PATCH_LEN);
  const patch = Json.parse(payload + DESIRED.SIZE, patchBytes);
  if (patch === null) throw new Error("desired properties: the patch is not JSON");
  config.load(payload + DESIRED.SIZE + patchBytes, getU32(payload + DESIRED.WHOLE_LEN));
  return patch;
}

/** Calls the handler of a METHOD record and writes its reply. */
export function answerMethod(
  entry: Place,
  onMethod: (name: string, request: MethodRequest) => MethodReply,
): void {
  const request = new MethodRequest(entry);
  putReply(entry, onMethod(request.name, request));
}

/** What a call of a method that is not there gets, should the host ever hand one over. */
export function noSuchMethod(): MethodReply {
  return new MethodReply(404, '{"message":"the module has no such method"}');
}

/** Calls the handler of a REPLY record. */
export function takeReply(entry: Place, onReply: (handler: u32, reply: InvokeReply) => void): void {
  onReply(replyHandler(entry), new InvokeReply(entry));
}

export function noSuchReply(handler: u32): void {
  throw new Error(`reply for handler ${handler.toString()}, which this module does not have`);
}
export function noSuchInput(input: u32): void {
  throw new Error(`record for input ${input.toString()}, which this module does not have`);
}
export function noSuchTimer(timer: u32): void {
  throw new Error(`record for timer ${timer.toString()}, which this module does not have`);
}
