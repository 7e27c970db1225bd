/**
 * The tables, as steps from an empty file: step n takes `user_version` from n-1 to n. A step that was
 * released is never changed, only followed by another; a new column has a default, so that the release before
 * can go on writing.
 *
 * Records are JSON, read by core/store/stored-record.ts. Columns beside the JSON are what lists and
 * conditions need.
 */
export const SCHEMA_STEPS: readonly string[] = [
  `
  CREATE TABLE deployment (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    head INTEGER NOT NULL
  ) STRICT;
  INSERT INTO deployment (one, head) VALUES (1, 0);

  CREATE TABLE domain (
    id TEXT NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    revision INTEGER NOT NULL,
    record TEXT NOT NULL
  ) STRICT;
  CREATE INDEX domain_of_account ON domain (account, id);

  CREATE TABLE certificate (
    id TEXT NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    revision INTEGER NOT NULL,
    record TEXT NOT NULL,
    used_count INTEGER NOT NULL DEFAULT 0 CHECK (used_count >= 0)
  ) STRICT;
  CREATE INDEX certificate_of_account ON certificate (account, id);

  CREATE TABLE trust_store (
    id TEXT NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    revision INTEGER NOT NULL,
    record TEXT NOT NULL,
    used_count INTEGER NOT NULL DEFAULT 0 CHECK (used_count >= 0)
  ) STRICT;
  CREATE INDEX trust_store_of_account ON trust_store (account, id);

  CREATE TABLE mx_host (
    host TEXT NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    certificate_id TEXT,
    domain_count INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX mx_host_of_certificate ON mx_host (certificate_id) WHERE certificate_id IS NOT NULL;

  -- Which domains name a host or a trust store, of whatever account: written with the domain, read by lists.
  CREATE TABLE domain_host (
    host TEXT NOT NULL,
    domain TEXT NOT NULL,
    account TEXT NOT NULL,
    PRIMARY KEY (host, domain)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX domain_host_of_domain ON domain_host (domain);
  CREATE TABLE domain_trust_store (
    trust_store TEXT NOT NULL,
    domain TEXT NOT NULL,
    PRIMARY KEY (trust_store, domain)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX domain_trust_store_of_domain ON domain_trust_store (domain);

  CREATE TABLE log (
    revision INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    entry TEXT NOT NULL
  ) STRICT;

  CREATE TABLE edge_report (
    id TEXT NOT NULL PRIMARY KEY,
    reported_at INTEGER NOT NULL,
    report TEXT NOT NULL
  ) STRICT;
  `,
  `ALTER TABLE mx_host ADD COLUMN certificate_revision INTEGER;`,
  `CREATE INDEX domain_host_of_account ON domain_host (host, account, domain);`,
  // What a probe writes (database.ts): always empty.
  `CREATE TABLE room (one INTEGER PRIMARY KEY CHECK (one = 1), filler BLOB NOT NULL) STRICT;`,
  `
  CREATE TABLE issuance_state (
    name TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    value TEXT NOT NULL,
    -- Milliseconds since the epoch.
    expires_at INTEGER
  ) STRICT;
  CREATE INDEX issuance_state_by_expiry ON issuance_state (expires_at) WHERE expires_at IS NOT NULL;
  `,
  `
  CREATE TABLE access_record (
    -- account, token or principal.
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    account TEXT NOT NULL,
    revision INTEGER NOT NULL,
    record TEXT NOT NULL,
    last_used_at TEXT,
    PRIMARY KEY (kind, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX access_record_of_account ON access_record (kind, account, id);
  `,
  `
  CREATE TABLE kept_answer (
    name TEXT NOT NULL PRIMARY KEY,
    request TEXT NOT NULL,
    run TEXT NOT NULL,
    -- NULL while the request runs.
    answer BLOB,
    -- Milliseconds since the epoch.
    expires_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX kept_answer_by_expiry ON kept_answer (expires_at);
  `,
];
