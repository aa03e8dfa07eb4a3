/** Owns one thing Restate's SDK expects of the platform and Node 20 lacks: `Promise.withResolvers`. */

interface Resolvers<T> {
  promise: Promise<T>;
  resolve: (value: T | PromiseLike<T>) => void;
  reject: (reason?: unknown) => void;
}

/** Adds it where it is missing; the standard's own behaviour otherwise stays. */
export function ensureWithResolvers(): void {
  if ("withResolvers" in Promise) return;
  Object.defineProperty(Promise, "withResolvers", {
    configurable: true,
    writable: true,
    value: <T>(): Resolvers<T> => {
      let resolve: Resolvers<T>["resolve"] = () => undefined;
      let reject: Resolvers<T>["reject"] = () => undefined;
      const promise = new Promise<T>((one, other) => {
        resolve = one;
        reject = other;
      });
      return { promise, resolve, reject };
    },
  });
}
