interface KnownRoute {
  readonly method: string;
  readonly path: string;
}

/**
 * The methods of a path, as an Allow header lists them; null when no route has the path. Middleware is
 * registered for all methods and does not count.
 */
export function allowedMethods(routes: readonly KnownRoute[], path: string): string | null {
  const methods = new Set(
    routes.filter((route) => route.method !== "ALL" && matches(route.path, path)).map(({ method }) => method),
  );
  if (methods.size === 0) return null;
  // Hono answers HEAD wherever it answers GET.
  if (methods.has("GET")) methods.add("HEAD");
  return [...methods].toSorted().join(", ");
}

function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split("/");
  const given = path.split("/");
  return (
    wanted.length === given.length &&
    wanted.every((part, index) => (part.startsWith(":") ? given[index] !== "" : part === given[index]))
  );
}
