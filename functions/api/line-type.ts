/** https://github.com/ndjson/ndjson-spec; no type is registered. */
export const NDJSON_TYPE = "application/x-ndjson";
/** A record as it is stored. */
export const RAW_TYPE = "text/plain";
