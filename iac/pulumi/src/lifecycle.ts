import type { dynamic } from "@pulumi/pulumi";
import { type Postern, PosternError } from "../../../sdk/src/index.ts";
import { connect, connectionOf, type Environment, isSamePlace } from "./connection.ts";
import type { Found, RecordKind } from "./record-kind.ts";
import { changedPaths, isSame, pick, type Values, withDrift, without } from "./values.ts";

/** Members of a resource's state that are no inputs, besides the outputs of its kind. */
const CONNECTION = "connection";
/** Settings as the API answered them after the last write: another answer is drift. */
const APPLIED = "applied";
const ETAG = "etag";
/** Input: takes an existing record of the same name over, instead of failing or making a second one. */
const ADOPT = "adopt";
/** Pulumi's own, which its server adds. */
const PROVIDER = "__provider";

/** The record has changed since the last deployment, by another caller. */
class Drifted extends Error {
  override readonly name = "Drifted";
}

type Provider = Required<
  Pick<dynamic.ResourceProvider, "check" | "diff" | "create" | "read" | "update" | "delete">
>;

/** The dynamic provider of one kind of records. Stateless: each call has what it needs in its arguments. */
export function providerOf(kind: RecordKind, environment: Environment): Provider {
  const ownMembers = [CONNECTION, APPLIED, ETAG, ADOPT, PROVIDER, ...kind.outputs];
  const inputsOf = (state: Values): Values => without(state, ownMembers);
  const posternOf = (state: Values): Postern => connect(connectionOf(state[CONNECTION]), environment);
  const stateOf = (inputs: Values, state: Values, { record, etag }: Found): Values => ({
    ...inputs,
    ...pick(state, [CONNECTION, ADOPT]),
    ...pick(record, kind.outputs),
    [APPLIED]: pick(record, kind.settings),
    [ETAG]: etag,
  });
  const adopt = async (postern: Postern, after: Values): Promise<Found> => {
    const found = await absentIfNotFound(() => kind.find(postern, kind.nameOf(after)));
    if (found === null) return kind.create(postern, after);
    const before = pick(found.record, kind.settings);
    const { id, etag } = found;
    return kind.update(postern, { id, etag, before, after });
  };
  return {
    check: async (_olds, news: Values) => ({
      inputs: news,
      failures: [...kind.check(without(news, [CONNECTION, ADOPT, PROVIDER]))],
    }),
    diff: async (_id, olds: Values, news: Values) => diff(kind, olds, { news, inputsOf }),
    create: async (inputs: Values) => {
      const [postern, given] = [posternOf(inputs), inputsOf(inputs)];
      const isAdopted = inputs[ADOPT] === true;
      const created = await (isAdopted ? adopt(postern, given) : kind.create(postern, given));
      return { id: created.id, outs: stateOf(given, inputs, created) };
    },
    read: async (id, state: Values = {}) => {
      const found = await absentIfNotFound(() => kind.find(posternOf(state), id));
      if (found === null) return {};
      const inputs = readInputs(kind, { state, inputs: inputsOf(state), found });
      return {
        id: found.id,
        props: stateOf(inputs, state, found),
        inputs: { ...inputs, ...pick(state, [CONNECTION, ADOPT]) },
      };
    },
    update: async (id, olds: Values, news: Values) => {
      const postern = posternOf(news);
      const [before, after] = [inputsOf(olds), inputsOf(news)];
      const written = await withEtag(kind, { id, postern, state: olds }, (etag) =>
        kind.update(postern, { id, etag, before, after }),
      );
      return { outs: stateOf(after, news, written) };
    },
    delete: async (id, state: Values) => {
      const postern = posternOf(state);
      await absentIfNotFound(() =>
        withEtag(kind, { id, postern, state }, (etag) => kind.delete(postern, id, etag)),
      );
    },
  };
}

interface Compared {
  readonly news: Values;
  readonly inputsOf: (state: Values) => Values;
}

function diff(kind: RecordKind, olds: Values, { news, inputsOf }: Compared): dynamic.DiffResult {
  const [before, after] = [inputsOf(olds), inputsOf(news)];
  const isOther = !isSamePlace(connectionOf(olds[CONNECTION]), connectionOf(news[CONNECTION]));
  return {
    changes: !isSame(before, after) || !isSame(olds[CONNECTION], news[CONNECTION]),
    replaces: [...kind.replacedBy(before, after), ...(isOther ? [CONNECTION] : [])],
    deleteBeforeReplace: kind.isSameName(before, after),
  };
}

interface Reading {
  readonly state: Values;
  readonly inputs: Values;
  readonly found: Found;
}

/** Inputs of the program with what has drifted; of a record that is only read, all that it has. */
function readInputs(kind: RecordKind, { state, inputs, found }: Reading): Values {
  const now = pick(found.record, kind.settings);
  if (state[ETAG] !== undefined) return withDrift(inputs, state[APPLIED], now) as Values;
  return { ...pick(found.record, ["name", "names"]), ...now };
}

interface Pinned {
  readonly id: string;
  readonly postern: Postern;
  readonly state: Values;
}

/**
 * Writes under the entity tag of the last deployment. A revision that moved although no setting did, as by a
 * renewal, is no drift: the write is made again under the entity tag of now.
 *
 * @throws Drifted which names what changed.
 */
async function withEtag<T>(
  kind: RecordKind,
  { id, postern, state }: Pinned,
  write: (etag: string) => Promise<T>,
): Promise<T> {
  try {
    return await write(String(state[ETAG]));
  } catch (error) {
    if (!(error instanceof PosternError) || error.code !== "stale-revision") throw error;
    const found = await kind.find(postern, id);
    const paths = found === null ? [] : changedPaths(state[APPLIED], pick(found.record, kind.settings));
    if (found !== null && paths.length === 0) return await write(found.etag);
    throw new Drifted(
      `${kind.noun} ${id} was changed by another caller since the last deployment (${paths.join(", ")}): pulumi refresh takes the change into the state`,
      { cause: error },
    );
  }
}

async function absentIfNotFound<T>(call: () => Promise<T>): Promise<T | null> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof PosternError && error.code === "not-found") return null;
    throw error;
  }
}
