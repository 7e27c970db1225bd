import { openDatabase } from "../../adapters/local/database.ts";
import { SqliteIssuanceState } from "../../adapters/local/sqlite-issuance-state.ts";

/* A separate process that raises a number: `node issuance-state-raiser.ts <file> <count>`. */
const [file = "", count = "0"] = process.argv.slice(2);
const state = new SqliteIssuanceState(openDatabase(file, { busyTimeoutMs: 120_000 }), { now: () => 0 });
for (let done = 0; done < Number(count); ) {
  const item = await state.get("certificate/raised");
  const next = Number(item?.value ?? 0) + 1;
  const version = await state.put("certificate/raised", next, {
    expected: item?.version ?? null,
    expiresAtMs: null,
  });
  if (version !== null) done += 1;
}
