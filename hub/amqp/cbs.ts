/**
 * The `$cbs` node (contract §5.2): tokens are put by messages on one link and answered on another, and renewed
 * the same way while the connection goes on.
 */
import { CBS_ADDRESS, parseAudience } from "./address.ts";
import type { AmqpError } from "./codec.ts";
import type { AmqpConnection } from "./connection.ts";
import type { AmqpHandler } from "./handler.ts";
import type { IncomingLink, IncomingUser } from "./incoming-link.ts";
import { REQUEST_CREDIT, TOKEN_MESSAGE_BYTES_MAX } from "./limits.ts";
import { FIELD, MessageReader, SECTION } from "./message.ts";
import { encodePlain } from "./reply.ts";
import { ReplyQueue } from "./reply-queue.ts";
import type { Link } from "./session.ts";
import { SAS_TOKEN_BYTES_MAX } from "../identity/sas.ts";

const PUT_TOKEN = "put-token";
const SAS_TOKEN = "servicebus.windows.net:sastoken";

interface Answer {
  readonly status: number;
  readonly text: string;
}

const reader = new MessageReader();

export class CbsNode {
  readonly #connection: AmqpConnection;
  readonly #handler: AmqpHandler;
  #replies: ReplyQueue | null = null;
  /** Answers made before the link for them was there. */
  #early: Buffer[] = [];

  constructor(connection: AmqpConnection, handler: AmqpHandler) {
    this.#connection = connection;
    this.#handler = handler;
  }

  serve(link: Link): AmqpError | null {
    link.identity = CBS_ADDRESS;
    if (link.isIncoming) {
      link.messageBytesMax = TOKEN_MESSAGE_BYTES_MAX;
      link.user = this.#requests(link);
      link.window = REQUEST_CREDIT;
      return null;
    }
    const replies: ReplyQueue = new ReplyQueue(link, () => {
      if (this.#replies === replies) this.#replies = null;
    });
    link.user = this.#replies = replies;
    for (const answer of this.#early.splice(0)) replies.send(answer);
    return null;
  }

  #requests(link: IncomingLink): IncomingUser {
    return {
      onMessage: (deliveryId, _format, bytes, from, to, isSettled) => {
        const isRead = reader.read(bytes, from, to);
        const correlationId = isRead ? reader.rawField(FIELD.MESSAGE_ID) : null;
        const { status, text } = isRead ? this.#putToken() : { status: 400, text: "malformed message" };
        if (!isSettled) link.settle(deliveryId, "accepted");
        this.#answer(
          encodePlain({
            correlationId,
            properties: { "status-code": { int: status }, "status-description": text },
          }),
        );
      },
      onEnd: () => undefined,
    };
  }

  #putToken(): Answer {
    const properties = reader.applicationProperties;
    const operation = reader.text(properties, "operation");
    if (operation !== PUT_TOKEN) return { status: 400, text: `operation is not "${PUT_TOKEN}"` };
    if (reader.text(properties, "type")?.toLowerCase() !== SAS_TOKEN) {
      return { status: 400, text: `type is not "${SAS_TOKEN}"` };
    }
    const identity = parseAudience(reader.text(properties, "name") ?? "");
    if (identity === null)
      return { status: 400, text: "name is not <host>/devices/<device>[/modules/<module>]" };
    const content = reader.bodySection === SECTION.SEQUENCE ? null : reader.content();
    if (content === null || content.length > SAS_TOKEN_BYTES_MAX)
      return { status: 400, text: "body is no token" };
    const why = this.#connection.authority.show(identity, content.toString("latin1"));
    if (why === null) return { status: 200, text: "OK" };
    this.#handler.onTrouble(this.#connection, `token refused: ${why}`);
    return { status: 401, text: why };
  }

  #answer(message: Buffer): void {
    if (this.#replies !== null) this.#replies.send(message);
    else if (this.#early.length < REQUEST_CREDIT) this.#early.push(message);
  }
}
