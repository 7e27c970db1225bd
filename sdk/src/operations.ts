import type { paths } from "./generated/openapi.ts";

/** Types of one operation of the document, by its path and method. */

export type Path = keyof paths;
export type Method = "get" | "put" | "post" | "patch" | "delete";

/** Methods of a path. */
export type MethodOf<P extends Path> = {
  [M in Method]: paths[P] extends { readonly [K in M]: object } ? M : never;
}[Method];

type Operation<P extends Path, M extends Method> = paths[P] extends { readonly [K in M]: infer O }
  ? O
  : never;

type Parameters<O, In extends string> = O extends {
  readonly parameters: { readonly [K in In]?: infer Values };
}
  ? NonNullable<Values>
  : never;

type OrUndefined<T> = { readonly [K in keyof T]: T[K] | undefined };

/** Parameters of the query, by name; undefined = left out. */
export type QueryOf<P extends Path, M extends MethodOf<P>> = OrUndefined<
  Parameters<Operation<P, M>, "query">
>;

/** The JSON document that a request brings. */
export type BodyOf<P extends Path, M extends MethodOf<P>> =
  Operation<P, M> extends {
    readonly requestBody?: { readonly content: infer Content };
  }
    ? Content[keyof Content]
    : never;

type ContentOf<R> = R extends { readonly content: infer Content } ? Content[keyof Content] : undefined;
/** Body of an answer to a request that succeeded; undefined where it has none. */
export type AnswerOf<P extends Path, M extends MethodOf<P>> =
  Operation<P, M> extends { readonly responses: infer Responses }
    ? { [S in keyof Responses]: S extends 200 | 201 | 204 ? ContentOf<Responses[S]> : never }[keyof Responses]
    : never;

/** What a request of an operation is made of. */
export interface RequestOf<P extends Path, M extends MethodOf<P>> {
  readonly path?: Parameters<Operation<P, M>, "path">;
  readonly query?: QueryOf<P, M>;
  readonly body?: BodyOf<P, M>;
}
