/**
 * What a condition may ask of a message. Everything is read when asked for: most routes decide on one
 * property and never look at the body.
 */
export interface RouteMessage {
  /** Names differing only in case are one. `null` = present without a value; `undefined` = missing. */
  application(name: string): string | null | undefined;
  /** As `application`, for the names of contract §3.3, without `$`. An unknown name is missing. */
  system(name: string): string | null | undefined;
  /**
   * The parsed JSON body, or `undefined` when the content type or encoding is not one for JSON, or it does
   * not parse. Parsed once per message, however many routes ask.
   */
  body(): unknown;
}

/** Who sent a message. The hub knows it from the connection; the message does not repeat it. */
export interface MessageOrigin {
  readonly deviceId: string;
  /** `null`: a device, not a module. */
  readonly moduleId: string | null;
  readonly output: string | null;
}
