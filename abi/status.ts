/** What a host function returns when it does not return a length. Negative, so that `>= 0` is success. */
export const STATUS = {
  /** The key, secret or source does not exist. */
  ABSENT: -1,
  /** Reserved. Functions that fill a buffer return the length they need, and write nothing when it does not fit. */
  BUFFER_SMALL: -2,
  /** The quota (bytes, keys, rate) would be passed. Nothing was written. */
  QUOTA: -3,
  /** The deployment did not grant this capability. */
  NOT_GRANTED: -4,
  /** A pointer, length or enum out of range: a bug in the guest, which the host survives. */
  INVALID: -5,
} as const;
export type Status = (typeof STATUS)[keyof typeof STATUS];
