/** Owns the world around the reports for the demonstration and the tests: a warehouse with sales, and a site. */
import { createServer } from "node:http";
import pg from "pg";

export interface World {
  /** What the site has published, in order. */
  readonly published: readonly { readonly key: string; readonly title: string }[];
  stop(): Promise<void>;
}

const SITE_KEY = "site-key-for-the-example";
const READER = "report_reader";
const READER_PASSWORD = "only-reads";

/** Fills `databaseUrl` with sales, makes a role that may only read them, and starts the site. */
export async function startWorld(databaseUrl: string): Promise<World> {
  await fillWarehouse(databaseUrl);
  const published: { key: string; title: string }[] = [];
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const answer = (status: number, body: object) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    if (request.headers.authorization !== `Bearer ${SITE_KEY}`) return answer(401, {});
    const asked = new URL(request.url ?? "", "http://site").searchParams.get("key");
    const key = asked ?? String(request.headers["idempotency-key"]);
    const known = published.find((one) => one.key === key);
    if (request.method === "GET") return answer(200, known ?? { report: null });
    if (known !== undefined) return answer(200, known);
    const report = { key, title: String((JSON.parse(text) as { title?: unknown }).title) };
    published.push(report);
    return answer(201, report);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const warehouse = new URL(databaseUrl);
  warehouse.username = READER;
  warehouse.password = READER_PASSWORD;
  process.env["REPORTS_WAREHOUSE_URL"] = warehouse.href;
  process.env["REPORTS_SITE"] = `http://127.0.0.1:${port}`;
  process.env["REPORTS_SITE_KEY"] = SITE_KEY;
  return {
    published,
    stop: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function fillWarehouse(databaseUrl: string): Promise<void> {
  const owner = new pg.Client({ connectionString: databaseUrl });
  await owner.connect();
  try {
    await owner.query(`
      CREATE TABLE sales (day DATE, amount NUMERIC, customer_email TEXT);
      INSERT INTO sales SELECT DATE '2026-05-01' + n % 31, 10 + n, 'customer' || n % 3 || '@example.com'
        FROM generate_series(0, 99) n;
      DO $$ BEGIN
        CREATE ROLE ${READER} LOGIN PASSWORD '${READER_PASSWORD}' NOSUPERUSER;
      EXCEPTION WHEN duplicate_object THEN NULL; END $$;
      GRANT SELECT ON sales TO ${READER};`);
  } finally {
    await owner.end();
  }
}
