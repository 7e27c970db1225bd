/**
 * Adapters that the first call opens: clients of S3 and ACM cost a cold start more than all code of the API,
 * and few requests need them.
 */

/** `open`, called once, by the first use. */
export function openedOnce<T>(open: () => Promise<T>): () => Promise<T> {
  let opened: Promise<T> | null = null;
  return () => (opened ??= open());
}

type PromiseMethods<Port> = { readonly [Name in keyof Port]: (...values: never[]) => Promise<unknown> };

/**
 * A port whose adapter is opened by the first call of a method.
 *
 * @param names every method of the port: one that is left out does not compile.
 */
export function onDemand<Port extends PromiseMethods<Port>>(
  names: Readonly<Record<keyof Port, true>>,
  open: () => Promise<Port>,
): Port {
  const methods = Object.keys(names).map((name) => [
    name,
    async (...values: never[]) => (await open())[name as keyof Port](...values),
  ]);
  // Its keys are those of `names`, and each method passes its arguments and result on.
  return Object.fromEntries(methods) as Port;
}
