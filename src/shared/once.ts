// A value that may not be needed, and is made at most once.

/** `make`'s value, made at the first call; a promise is shared by all callers. */
export function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
