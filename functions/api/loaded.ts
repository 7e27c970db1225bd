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
