/**
 * Every way an AMQP connection ends, as one row: a stable code (a label of metrics), the condition that CLOSE
 * carries (`null` = none, or there is nobody to tell), and a line for the log. What a peer does wrong is one
 * of these values, never an exception.
 */

const row = (condition: string | null, text: string) => ({ condition, text });

const TABLE = {
  // What the peer did.
  closed: row(null, "client sent CLOSE"),
  connection_lost: row(null, "connection ended without CLOSE"),
  socket_error: row(null, "socket failed"),
  open_timeout: row(null, "no OPEN in time"),
  idle_timeout: row("amqp:resource-limit-exceeded", "nothing received within the idle time-out"),
  slow_reader: row(null, "client does not read what it is sent"),

  // What the peer must not do.
  header_unknown: row(null, "protocol is not AMQP 1.0"),
  frame_malformed: row("amqp:connection:framing-error", "malformed frame header"),
  frame_too_large: row("amqp:connection:framing-error", "frame larger than was agreed"),
  sasl_malformed: row(null, "malformed SASL frame"),
  performative_malformed: row("amqp:decode-error", "malformed performative"),
  performative_unexpected: row("amqp:illegal-state", "performative that may not come now"),
  channel_unknown: row("amqp:not-found", "no session on this channel"),
  channel_in_use: row("amqp:illegal-state", "channel has a session already"),
  sessions_too_many: row("amqp:resource-limit-exceeded", "too many sessions"),
  handle_unknown: row("amqp:session:unattached-handle", "no link has this handle"),
  handle_in_use: row("amqp:session:handle-in-use", "handle has a link already"),
  links_too_many: row("amqp:resource-limit-exceeded", "too many links"),
  link_name_in_use: row("amqp:illegal-state", "session has a link of this name and role already"),
  window_violated: row("amqp:session:window-violation", "more transfers than the session window"),
  delivery_id_malformed: row("amqp:invalid-field", "delivery id is not the next one"),
  disposition_range: row("amqp:invalid-field", "disposition of deliveries that were never made"),
  transfer_unexpected: row("amqp:session:errant-link", "transfer on a link that sends to the client"),
  partial_too_large: row("amqp:resource-limit-exceeded", "too many bytes of unfinished messages"),
  idle_timeout_too_short: row("amqp:precondition-failed", "idle time-out of less than 5 s"),
  frame_size_too_small: row("amqp:invalid-field", "max-frame-size of less than 512"),

  // What the hub decided.
  refused: row(null, "credentials refused"),
  unauthorized: row("amqp:unauthorized-access", "no identity was shown in time, or it is one no longer"),
  taken_over: row("amqp:link:stolen", "same identity connected again"),
  token_expired: row("amqp:unauthorized-access", "token has expired"),
  unsettled: row("amqp:resource-limit-exceeded", "client does not settle what it is sent"),
  shutdown: row("amqp:connection:forced", "hub is stopping"),
} as const;

export type CloseCode = keyof typeof TABLE;

export interface CloseReason {
  readonly code: CloseCode;
  readonly condition: string | null;
  readonly text: string;
}

/** Property that every link of Microsoft's SDKs has. */
export const MICROSOFTS_CLIENT = "com.microsoft:client-version";

/**
 * `isMicrosofts`: it is one of their clients. They come back after a CLOSE without a condition, and give up at
 * `amqp:connection:forced`, at which rhea, for one, comes back.
 */
export function closeReason(code: CloseCode, isMicrosofts = false): CloseReason {
  const reason = { code, ...TABLE[code] };
  return code === "shutdown" && isMicrosofts ? { ...reason, condition: null } : reason;
}

export const CLOSE_CODES = Object.keys(TABLE) as readonly CloseCode[];
