/**
 * The three functions of the `reflect-metadata` proposal that @peculiar/x509's dependency container asks for
 * when it is loaded. It registers its classes by hand, so a map of maps is all it needs.
 */
interface MetadataReflect {
  getMetadata?: (key: unknown, target: object) => unknown;
  getOwnMetadata?: (key: unknown, target: object) => unknown;
  defineMetadata?: (key: unknown, value: unknown, target: object) => void;
}

/** Leaves an implementation that is there already alone. */
export function provideReflectMetadata(): void {
  const reflect = Reflect as MetadataReflect;
  if (reflect.getMetadata) return;
  const metadata = new WeakMap<object, Map<unknown, unknown>>();
  const get = (key: unknown, target: object): unknown => metadata.get(target)?.get(key);
  reflect.getMetadata = get;
  reflect.getOwnMetadata = get;
  reflect.defineMetadata = (key, value, target) => {
    const own = metadata.get(target) ?? new Map<unknown, unknown>();
    metadata.set(target, own.set(key, value));
  };
}
