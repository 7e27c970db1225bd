import type * as z from "zod";

/*
 * Checks by the compiler that no list of fields is behind its type. TypeScript accepts a copy or a schema
 * without an optional field, and the field would be lost on its way. These checks have no effect at run time.
 */

type Scalar = string | number | boolean | null | undefined;

/**
 * Paths of the fields of T and of what they hold, optional ones too: `"tls"`, `"tls.server"`,
 * `"tls.server.level"`.
 */
export type FieldPath<T> = T extends Scalar
  ? never
  : T extends readonly (infer Item)[]
    ? FieldPath<Item>
    : { [K in keyof T & string]-?: K | `${K}.${FieldPath<T[K]>}` }[keyof T & string];

/** What an object literal must `satisfies` to name every field of T, optional ones too, and no other. */
export type Every<T> = { readonly [K in keyof Required<T>]: T[K] };

/** `unknown`, or a property that names the fields in which Given and Wanted differ. */
type SameFields<Given, Wanted, Not = never> = Named<
  "missing",
  Exclude<FieldPath<Wanted>, FieldPath<Given> | Not>
> &
  Named<"unexpected", Exclude<FieldPath<Given>, FieldPath<Wanted>>>;

type Named<Key extends string, Path> = [Path] extends [never] ? unknown : { readonly [K in Key]: Path };

/**
 * The schema given; does not compile unless its output has the fields of Wanted at every depth, but for the
 * paths `Not`.
 */
export const schemaOf =
  <Wanted, Not extends FieldPath<Wanted> = never>() =>
  <S extends z.ZodType>(schema: S & SameFields<z.output<S>, Wanted, Not>): S =>
    schema;

/** The value given; does not compile unless its type has the fields of Wanted at every depth. */
export const sameFields =
  <Wanted>() =>
  <Given extends Wanted>(value: Given & SameFields<Given, Wanted>): Wanted =>
    value;
