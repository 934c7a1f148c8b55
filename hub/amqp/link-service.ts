/**
 * Who serves a link that a client attaches: whether its address is one, whether its identity has shown a token,
 * and then the token node, or the handler.
 */
import { CBS_ADDRESS, parseAddress } from "./address.ts";
import { CbsNode } from "./cbs.ts";
import type { AmqpError } from "./codec.ts";
import type { AmqpConnection } from "./connection.ts";
import { identityName, type AmqpHandler } from "./handler.ts";
import { REFUSED } from "./outcome.ts";
import type { Link } from "./session.ts";

export class LinkService {
  readonly #connection: AmqpConnection;
  readonly #handler: AmqpHandler;
  readonly #cbs: CbsNode;

  constructor(connection: AmqpConnection, handler: AmqpHandler) {
    this.#connection = connection;
    this.#handler = handler;
    this.#cbs = new CbsNode(connection, handler);
  }

  /** Why a link may not be, as far as addresses and identities say. */
  admission(link: Link): AmqpError | null {
    const { isReceiver } = link.attach;
    const address = addressOf(link);
    if (address?.toLowerCase() === CBS_ADDRESS) return null;
    const purpose = parseAddress(address, isReceiver);
    if (purpose === "not_found") {
      this.#handler.onTrouble(this.#connection, `attached to "${address}", which is no address`);
      return REFUSED.notFound;
    }
    if (purpose === "wrong_direction") return REFUSED.notAllowed;
    const { authority } = this.#connection;
    if (authority.identity(purpose.identity) !== null) return null;
    const shown = authority.certificateRefusal === null ? "" : ` (${authority.certificateRefusal})`;
    const what = `attached to "${address}" without a token or certificate of that identity${shown}`;
    this.#handler.onTrouble(this.#connection, what);
    return REFUSED.unauthorized;
  }

  /** Gives an admitted link to who serves it. */
  serve(link: Link): AmqpError | null {
    const { isReceiver } = link.attach;
    const address = addressOf(link);
    if (address?.toLowerCase() === CBS_ADDRESS) return this.#cbs.serve(link);
    const parsed = parseAddress(address, isReceiver);
    if (typeof parsed === "string") return REFUSED.notFound;
    const identity = this.#connection.authority.identity(parsed.identity)!;
    const purpose = { kind: parsed.kind, identity };
    link.identity = identityName(identity);
    return link.isIncoming
      ? this.#handler.onLink(this.#connection, { purpose, link })
      : this.#handler.onLink(this.#connection, { purpose, link });
  }
}

const addressOf = ({ attach }: Link): string | null => (attach.isReceiver ? attach.source : attach.target);
