import { parseSync } from "@swc/core";

/** A node of the syntax tree, or a part of one. */
type Node = Readonly<Record<string, unknown>>;

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null;
const partOf = (node: Node, key: string): Node => {
  const part = node[key];
  return isNode(part) ? part : {};
};

/** Names that a library marks as its own: `_parser`, and handlers that are looked up by name. */
const INNER = /^(?:_[a-z]|handler_)/iu;

/** What Node calls by such a name. */
const OF_NODE: ReadonlySet<string> = new Set(["_handle", "_tlsError"]);

/**
 * Members of classes of a library that a TypeScript module uses: each inner name of any object, and each
 * member that a subclass of `className` overrides or takes from `this`, `super` or a parser without declaring
 * it.
 */
export function usedMembers(text: string, className: string): readonly string[] {
  const found = new Set<string>();
  const classes: Node[] = [];
  visit(parseSync(text, { syntax: "typescript", target: "es2024" }) as unknown as Node, (node) => {
    for (const name of namesIn(node)) if (INNER.test(name) && !OF_NODE.has(name)) found.add(name);
    if (node["type"] === "ClassDeclaration") classes.push(node);
  });
  for (const name of inheritedBy(classes, className, new Set())) found.add(name);
  return [...found].toSorted();
}

/**
 * Members that subclasses of a class take from it, and those of their subclasses, which also know what these
 * declare.
 */
function inheritedBy(
  classes: readonly Node[],
  className: unknown,
  declaredAbove: ReadonlySet<string>,
): readonly string[] {
  const subclasses = classes.filter((each) => partOf(each, "superClass")["value"] === className);
  return subclasses.flatMap((subclass) => {
    const declared = new Set([...declaredAbove, ...declaredBy(subclass)]);
    const own = inherited(subclass).filter((name) => !declaredAbove.has(name));
    return [...own, ...inheritedBy(classes, partOf(subclass, "identifier")["value"], declared)];
  });
}

function visit(node: Node, look: (node: Node) => void): void {
  look(node);
  for (const part of Object.values(node)) if (isNode(part)) visit(part, look);
}

/** Members that this node names, whatever their object is. */
function namesIn(node: Node): readonly string[] {
  switch (node["type"]) {
    case "MemberExpression":
    case "SuperPropExpression":
      return nameOf(partOf(node, "property"));
    case "ClassMethod":
    case "ClassProperty":
    case "KeyValuePatternProperty":
    case "AssignmentPatternProperty":
      return nameOf(partOf(node, "key"));
    case "CallExpression":
      return namesOfReflect(node);
    case "TsIndexedAccessType":
      return nameOf(partOf(partOf(node, "indexType"), "literal"));
    default:
      return [];
  }
}

/** Of `Reflect.get(a, "name")` and its like. */
function namesOfReflect(call: Node): readonly string[] {
  if (partOf(partOf(call, "callee"), "object")["value"] !== "Reflect") return [];
  return Object.values(partOf(call, "arguments"))
    .filter(isNode)
    .flatMap((argument) => nameOf(partOf(argument, "expression")));
}

/** Of `a.name` and `a["name"]`; of a template the beginning and `*`: `handler_*`. */
function nameOf(key: Node): readonly string[] {
  if (key["type"] === "Computed") return nameOf(partOf(key, "expression"));
  if (key["type"] === "TemplateLiteral") {
    const [first] = Object.values(partOf(key, "quasis")).filter(isNode);
    return [`${String(first?.["cooked"])}*`];
  }
  return (key["type"] === "Identifier" || key["type"] === "StringLiteral") && typeof key["value"] === "string"
    ? [key["value"]]
    : [];
}

const membersOf = (subclass: Node): readonly Node[] => Object.values(partOf(subclass, "body")).filter(isNode);

const declaredBy = (subclass: Node): ReadonlySet<string> =>
  new Set(
    membersOf(subclass)
      .filter((member) => member["isOverride"] !== true)
      .flatMap(namesIn),
  );

function inherited(subclass: Node): readonly string[] {
  const overridden = membersOf(subclass)
    .filter((member) => member["isOverride"] === true)
    .flatMap(namesIn);
  const declared = declaredBy(subclass);
  const taken: string[] = [];
  visit(subclass, (node) => {
    if (node["type"] === "SuperPropExpression") taken.push(...namesIn(node));
    if (node["type"] === "MemberExpression" && isOwner(partOf(node, "object"))) taken.push(...namesIn(node));
  });
  return [...overridden, ...taken.filter((name) => !declared.has(name))];
}

/** `this`, `parser` and `this._parser`. */
const isOwner = (object: Node): boolean =>
  object["type"] === "ThisExpression" ||
  object["value"] === "parser" ||
  partOf(object, "property")["value"] === "_parser";
