/** The host's functions, as imported. What a module does not use is not imported, and needs no grant. */
@external("sandpiper_v1", "log")
export declare function log(level: i32, text: usize, textLength: i32): void;
@external("sandpiper_v1", "kv_get")
export declare function kv_get(key: usize, keyLength: i32, dst: usize, dstLength: i32): i32;
@external("sandpiper_v1", "kv_put")
export declare function kv_put(key: usize, keyLength: i32, value: usize, valueLength: i32): i32;
@external("sandpiper_v1", "kv_del")
export declare function kv_del(key: usize, keyLength: i32): i32;
@external("sandpiper_v1", "kv_scan")
export declare function kv_scan(
  prefix: usize,
  prefixLength: i32,
  after: usize,
  afterLength: i32,
  dst: usize,
  dstLength: i32,
): i32;
@external("sandpiper_v1", "now")
export declare function now(): f64;
@external("sandpiper_v1", "monotonic")
export declare function monotonic(): f64;
@external("sandpiper_v1", "random")
export declare function random(dst: usize, dstLength: i32): i32;
@external("sandpiper_v1", "source_name")
export declare function source_name(sourceId: u32, dst: usize, dstLength: i32): i32;
