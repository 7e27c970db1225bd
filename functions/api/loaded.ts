/**
 * A part of the API that is loaded by the first request that needs it: what is imported before is paid by
 * every cold start.
 */
export type Loaded<T> = () => Promise<T>;

export function loadedOnce<T>(load: () => Promise<T>): Loaded<T> {
  let loading: Promise<T> | null = null;
  return () => {
    loading ??= load();
    return loading;
  };
}

type PromiseMethods<T> = { readonly [Name in keyof T]: (...values: never[]) => Promise<unknown> };

/**
 * A service that the first call of a method loads.
 *
 * @param names every method of the service: one that is left out does not compile.
 */
export function loadedMethods<T extends PromiseMethods<T>>(
  names: Readonly<Record<keyof T, true>>,
  load: Loaded<T>,
): Pick<T, keyof T> {
  const methods = Object.keys(names).map((name) => [
    name,
    async (...values: never[]) => (await load())[name as keyof T](...values),
  ]);
  // Its keys are those of `names`, and each method passes its arguments and result on.
  return Object.fromEntries(methods) as Pick<T, keyof T>;
}
