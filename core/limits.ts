/** Caps of the API. Bytes are octets of UTF-8. */
export const CAPS = {
  requestBytes: 1_000_000,
  domainRecordBytes: 64 * 1024,
  /** Of one POST /v1/domains:batch. */
  batchItems: 100,
  mxHosts: 20,
  exceptions: 100,
  allowedNames: 100,
  pins: 20,
  trustStoreIds: 10,
  certificatePemBytes: 64 * 1024,
  certificatesInPem: 10,
  /** Of the file; base64 in the request. A key of 4096 bits and ten certificates need some 20 KB. */
  pkcs12Bytes: 128 * 1024,
  trustStoreBytes: 256 * 1024,
  trustStoreCertificates: 200,
  crlBytes: 512 * 1024,
  pageSize: 200,
  /** Of the items of a page, as JSON: an answer of a Lambda function has at most 6 MB. */
  pageBytes: 4_000_000,
  defaultPageSize: 50,
  labelCharacters: 200,
  labels: 20,
  labelValueCharacters: 200,
  reasonCharacters: 500,
  /** What 64 KB of PEM hold: more names than this average under 4 characters. */
  certificateNames: 8_000,
  /** Listed one by one in a request. */
  selfSignedNames: 1_000,
  /** On one order at a CA, or in one signing request: as many as public CAs take. */
  orderedNames: 100,
  /** Together: up to four signing requests lie in one record, and twice in its log entry of 400 KB. */
  orderedNamesBytes: 8 * 1024,
  /** Of one kind, as an account's quota may say. */
  quota: 1_000_000,
  /** Quota of ACM, when raised. */
  acmNames: 100,
  /** Requests of one process that wait at a time. Each holds a connection; the local server has 256. */
  waits: 64,
  /** Of these, of all accounts but the operator's. */
  waitsOfTenants: 48,
  waitsOfAccount: 32,
  waitsOfCaller: 16,
} as const;
