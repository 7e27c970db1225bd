import type { Database } from "../../adapters/local/database.ts";

/** A copy of all rows. @returns what puts them back. */
export function copyOfRows(database: Database): () => void {
  const tables = database
    .all("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    .map(({ name }) => ({ name: String(name), rows: database.all(`SELECT * FROM "${String(name)}"`) }));
  return () =>
    database.write(() => {
      for (const { name, rows } of tables) {
        database.run(`DELETE FROM "${name}"`);
        for (const row of rows) {
          const columns = Object.keys(row).map((column) => `"${column}"`);
          const sql = `INSERT INTO "${name}" (${columns.join()}) VALUES (${columns.map(() => "?").join()})`;
          database.run(sql, ...Object.values(row));
        }
      }
    });
}
