import { createServer, type Server } from "node:http";
import PostalMime, { type Email } from "postal-mime";
import { SMTPServer } from "smtp-server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject } from "../../../core/json.ts";
import type { ConnectorDefinition, InboxMessage } from "../../../domain/connectors.ts";
import { testContext } from "../../../testing/index.ts";
import { appNotificationConnector } from "./app.ts";
import { emailConnector } from "./email.ts";
import { slackConnector } from "./slack.ts";

const call = async (
  connector: ConnectorDefinition,
  input: JsonObject,
  fields: Parameters<typeof testContext>[0] = {},
) => {
  const [operation] = Object.values(connector.operations);
  if (operation === undefined) throw new Error("no operation");
  return operation.call(input, testContext({ idempotencyKey: "key-1", ...fields }));
};
const portOf = (address: ReturnType<Server["address"]>) =>
  typeof address === "object" && address !== null ? address.port : 0;

describe("in the application", () => {
  const connector = appNotificationConnector({ name: "inbox", keyTemplate: "n:{id}" });

  test("CON-15 one key is one message, and it is found again by it", async () => {
    const delivered = new Map<string, InboxMessage>();
    const input = { recipient: "anna", title: "Booked", body: "Your room is booked." };
    expect(await call(connector, input, { delivered })).toMatchObject({ ok: true });
    await call(connector, { ...input, title: "Booked again" }, { delivered });
    expect([...delivered.values()]).toEqual([
      { recipient: { kind: "user", name: "anna" }, title: "Booked", body: input.body },
    ]);
    const { lookup } = connector.operations["send_app_notification"] ?? {};
    const context = testContext({ delivered });
    expect(await lookup?.("key-1", context, input)).toMatchObject({ output: { channel: "app" } });
    expect(await lookup?.("key-2", context, input)).toBeUndefined();
  });
});

describe("e-mail", () => {
  const received: { email: Email; to: readonly string[] }[] = [];
  let refuse: { readonly at: "rcpt" | "data"; readonly code: number } | undefined;
  let server: SMTPServer;
  let url: string;
  beforeAll(async () => {
    server = new SMTPServer({
      disabledCommands: ["STARTTLS"],
      allowInsecureAuth: true,
      onAuth: ({ username, password }, _session, done) =>
        username === "mailer" && password === "smtp-password-1"
          ? done(null, { user: username })
          : done(Object.assign(new Error(`wrong password ${password}`), { responseCode: 535 })),
      onRcptTo: (_address, _session, done) =>
        refuse?.at === "rcpt"
          ? done(Object.assign(new Error("no"), { responseCode: refuse.code }))
          : done(),
      onData: (stream, session, done) => {
        const chunks: Buffer[] = [];
        stream.on("data", (chunk: Buffer) => chunks.push(chunk));
        stream.on("end", async () => {
          if (refuse?.at === "data") {
            return done(Object.assign(new Error("later"), { responseCode: refuse.code }));
          }
          const to = session.envelope.rcptTo.map(({ address }) => address);
          received.push({ email: await PostalMime.parse(Buffer.concat(chunks)), to });
          done();
        });
      },
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    url = `smtp://mailer:smtp-password-1@127.0.0.1:${portOf(server.server.address())}`;
  });
  afterAll(() => new Promise<void>((resolve) => server.close(() => resolve())));

  const options = {
    name: "mail",
    keyTemplate: "mail:{id}",
    secretRef: "env:SMTP_URL",
    from: "Concert <no-reply@concert.example>",
    domains: ["example.com"],
  } as const;
  const plain = emailConnector({ ...options, plain: true });
  const letter = {
    to: ["ann@example.com"],
    subject: "Gebucht: Zürich",
    body: "Ihr Zimmer ist gebucht.\n.\nEnde",
  };
  const send = (input: JsonObject, connector = plain, fields = {}) =>
    call(connector, input, { secret: url, ...fields });

  test("CON-15 a real server receives what was sent, under an id made of the key", async () => {
    expect(await send(letter)).toMatchObject({ ok: true, output: { accepted: 1, rejected: 0 } });
    const [{ email, to } = { email: undefined, to: [] }] = received;
    expect(to).toEqual(["ann@example.com"]);
    expect([email?.subject, email?.text?.trim().replaceAll("\r\n", "\n")]).toEqual([
      letter.subject,
      letter.body,
    ]);
    expect(email?.from?.address).toBe("no-reply@concert.example");
    expect(email?.headers).toContainEqual(expect.objectContaining({ key: "auto-submitted" }));
    await send(letter);
    const other = await send(letter, plain, { idempotencyKey: "key-2" });
    expect(received[1]?.email.messageId).toBe(email?.messageId);
    expect(other.ok && other.output["message_id"]).not.toBe(email?.messageId);
  });

  test("SEC-8 nobody outside the named domains is written to", async () => {
    const before = received.length;
    const found = await send({
      ...letter,
      to: ["ann@example.com", "eve@example.com.evil.example"],
    });
    expect(found).toMatchObject({ ok: false, errorClass: "permission_denied" });
    expect(received.length).toBe(before);
  });

  test("CON-15 without TLS nothing is sent, unless it is a plain relay by choice", async () => {
    const before = received.length;
    expect(await send(letter, emailConnector(options))).toMatchObject({ ok: false });
    expect(received.length).toBe(before);
  });

  test.each([
    ["a server that asks to come back", { at: "rcpt", code: 451 }, "transient_connector_error"],
    ["a full box", { at: "data", code: 452 }, "transient_connector_error"],
    ["an unknown recipient", { at: "rcpt", code: 550 }, "permanent_connector_error"],
    ["a message that is not wanted", { at: "data", code: 554 }, "permanent_connector_error"],
  ] as const)("ERR-3 %s", async (_what, refusal, errorClass) => {
    refuse = refusal;
    expect(await send(letter)).toMatchObject({ ok: false, errorClass });
    refuse = undefined;
  });

  test("ERR-3 a wrong password is final, a server that is away is not", async () => {
    const wrong = url.replace("smtp-password-1", "smtp-password-2");
    expect(await send(letter, plain, { secret: wrong })).toMatchObject({
      errorClass: "permanent_connector_error",
    });
    const away = "smtp://127.0.0.1:1";
    expect(await send(letter, plain, { secret: away })).toMatchObject({
      errorClass: "transient_connector_error",
    });
  });
});

describe("Slack", () => {
  const posted: string[] = [];
  let answer = { status: 200, body: "ok", headers: {} };
  let server: Server;
  let url: string;
  beforeAll(async () => {
    server = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += String(chunk);
      posted.push(
        `${request.method} ${request.url} ${request.headers.authorization ?? "-"} ${body}`,
      );
      response.writeHead(answer.status, answer.headers).end(answer.body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${portOf(server.address())}/services/T0/B0/webhook-secret`;
  });
  afterAll(() => void server.close());

  const options = { name: "chat", keyTemplate: "c:{id}", secretRef: "env:SLACK_WEBHOOK" } as const;
  const local = slackConnector({
    ...options,
    hosts: ["127.0.0.1"],
    privateRanges: ["127.0.0.1/32"],
    plainHttp: true,
  });

  test("CON-15 the webhook gets the text, and no mention can be smuggled into it", async () => {
    expect(await call(local, { text: "<!channel> a & b" }, { secret: url })).toEqual({
      ok: true,
      output: { channel: "slack" },
    });
    expect(posted).toEqual([
      'POST /services/T0/B0/webhook-secret - {"text":"&lt;!channel&gt; a &amp; b"}',
    ]);
  });

  test.each([
    [429, "rate_limited", 3_000],
    [500, "transient_connector_error", undefined],
    [403, "permanent_connector_error", undefined],
    [410, "permanent_connector_error", undefined],
    [302, "permanent_connector_error", undefined],
  ])("ERR-3 %d is %s", async (status, errorClass, retryAfterMs) => {
    answer = {
      status,
      body: "no",
      headers: status === 429 ? { "retry-after": "3" } : { location: "http://10.0.0.1/" },
    };
    const found = await call(local, { text: "x" }, { secret: url });
    const expected = status === 302 ? "permission_denied" : errorClass;
    expect(found).toMatchObject({ ok: false, errorClass: expected });
    expect(found.ok ? undefined : found.retryAfterMs).toBe(retryAfterMs);
    answer = { status: 200, body: "ok", headers: {} };
  });

  test("SEC-8 a webhook elsewhere is not posted to", async () => {
    const before = posted.length;
    const strict = slackConnector(options);
    expect(await call(strict, { text: "x" }, { secret: url })).toMatchObject({
      errorClass: "permission_denied",
    });
    expect(posted.length).toBe(before);
  });
});
