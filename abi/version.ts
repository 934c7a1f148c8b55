/**
 * ABI version and the compatibility rule.
 *
 * The major is the import namespace and the marker export: a module built for another major does not
 * link. Within a major everything grows by header length, record kinds and feature bits, so a module
 * runs on every host whose minor is at least the one it was built for.
 */
export const ABI_MAJOR = 1;
export const ABI_MINOR = 1;
/** Of the first host that offers features: twin, methods, calls of others. */
export const FEATURES_SINCE_MINOR = 1;
export const IMPORT_NAMESPACE = "sandpiper_v1";
export const MARKER_EXPORT = "sp_abi_v1";

export function isCompatible(major: number, minor: number): boolean {
  return major === ABI_MAJOR && minor <= ABI_MINOR;
}
