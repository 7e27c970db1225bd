/** https://github.com/ndjson/ndjson-spec; no type is registered. */
export const NDJSON_TYPE = "application/x-ndjson";
