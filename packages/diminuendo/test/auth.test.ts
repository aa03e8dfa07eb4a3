/** Signing in: a real OpenID provider process, keys that rotate, tokens that run out, members, roles and invitations. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { mayDo } from "../src/auth/permissions.ts";
import { GRANTS, PERMISSIONS, ROLES, type ServerEvent } from "../src/protocol/index.ts";
import { type GatewayProcess, TOKENS, World } from "./support/gateway-process.ts";
import { TestClient } from "./support/test-client.ts";
import { AUDIENCE, TestOidc } from "./support/test-oidc.ts";

// Other work may share the machine.
setDefaultTimeout(60_000);

const claims = (more: object = {}) => ({ tenant_id: "acme", ...more });
const verified = (email: string) => ({ email, email_verified: true });
const oidc = new TestOidc([
  {
    id: "olga",
    claims: claims({ roles: ["owner"], ...verified("olga@acme.test") }),
    ttlSeconds: 60,
  },
  { id: "max", claims: claims({ roles: ["member", "finance_approvers"] }), ttlSeconds: 60 },
  { id: "new", claims: claims(verified("new@acme.test")), ttlSeconds: 60 },
  { id: "brief", claims: claims({ roles: ["member"] }), ttlSeconds: 8 },
  { id: "stray", claims: { roles: ["owner"] }, ttlSeconds: 60 },
  { id: "other", claims: { tenant_id: "globex", roles: ["owner"] }, ttlSeconds: 60 },
]);

let world: World;
let gateway: GatewayProcess;
beforeAll(async () => {
  await oidc.start();
  world = new World();
  gateway = await world.start(`--oidc-issuer=${oidc.issuer}`, `--oidc-audience=${AUDIENCE}`);
});
afterAll(async () => {
  await world.stop();
  await oidc.stop();
});

const signIn = async (token: string): Promise<{ client: TestClient; answer: ServerEvent }> => {
  const client = await TestClient.connect(gateway.port);
  return { client, answer: await client.ask({ type: "authenticate", token }) };
};
const as = async (person: string) => (await signIn(await oidc.token(person))).client;

describe("an OpenID provider", () => {
  test("its token signs in; the tenant is the claim's, and the answer says until when", async () => {
    const { client, answer } = await signIn(await oidc.token("max"));
    expect(answer).toMatchObject({
      type: "authenticated",
      identity: { userId: "max", tenantId: "acme", roles: ["member", "finance_approvers"] },
      expiresAt: expect.any(Number),
    });
    const sessionId = await client.newSession();
    const stranger = await as("other");
    expect(await stranger.ask({ type: "join_session", sessionId })).toMatchObject({
      code: "SessionNotFound",
    });
    for (const one of [client, stranger]) one.close();
  });

  test("whatever is wrong with a token, it stands for nobody and the socket closes with 4001", async () => {
    const good = await oidc.token("max");
    const { privateKey } = await generateKeyPair("RS256", { extractable: true });
    const { kid } = JSON.parse(atob(good.split(".")[0] ?? "")) as { kid: string };
    const forged = (more: object = {}, header: object = {}) =>
      new SignJWT({ tenant_id: "acme", roles: ["owner"], ...more })
        .setProtectedHeader({ alg: "RS256", kid, ...header })
        .setIssuer(oidc.issuer)
        .setAudience(AUDIENCE)
        .setSubject("max")
        .setExpirationTime("1m")
        .sign(privateKey);
    const publicAsSecret = new TextEncoder().encode(JSON.stringify(await exportJWK(privateKey)));
    const hs256 = new SignJWT({ tenant_id: "acme" })
      .setProtectedHeader({ alg: "HS256", kid })
      .setSubject("max")
      .setIssuer(oidc.issuer)
      .setAudience(AUDIENCE)
      .setExpirationTime("1m")
      .sign(publicAsSecret);
    const none = `${btoa('{"alg":"none"}')}.${good.split(".")[1]}.`;
    const stray = await oidc.token("stray");
    const tokens = [await forged(), await forged({}, { kid: "unknown" }), await hs256, none, stray];
    for (const token of [...tokens, `${good}x`, "no token at all"]) {
      const { client, answer } = await signIn(token);
      expect(answer).toMatchObject({ code: "AUTH_FAILED" });
      await client.until(() => client.closeCode !== null);
      expect(client.closeCode).toBe(4001);
    }
  });

  test("after the provider has rotated its keys, new tokens sign in; while it is away, known ones do", async () => {
    const known = await oidc.token("max");
    (await signIn(known)).client.close();
    await oidc.start();
    const rotated = await oidc.token("olga");
    const { client, answer } = await signIn(rotated);
    expect(answer).toMatchObject({ identity: { userId: "olga" } });
    await oidc.stop();
    const again = await signIn(known);
    expect(again.answer).toMatchObject({ identity: { userId: "max" } });
    for (const one of [client, again.client]) one.close();
    await oidc.start();
  }, 30_000);

  test("a sign-in that runs out is announced, renewed on the open socket, and ends it when it is not", async () => {
    const client = await as("brief");
    const sessionId = await client.newSession();
    await client.untilType("auth_expiring");
    const first = client.events.find((e) => e.type === "authenticated");
    await Bun.sleep(1_100);
    const renewed = await client.ask({ type: "authenticate", token: await oidc.token("brief") });
    const until = (e: unknown) => (e as { expiresAt: number }).expiresAt;
    expect(until(renewed)).toBeGreaterThan(until(first));
    // Still joined: nothing had to be joined again.
    await client.ask({ type: "run_turn", sessionId, text: "hi" });
    await client.until(() => client.log(sessionId).some((e) => e.type === "turn_complete"));
    const deadline = Date.now() + 15_000;
    while (client.closeCode === null && Date.now() < deadline) await Bun.sleep(100);
    expect(client.closeCode).toBe(4001);
    expect(Date.now()).toBeGreaterThanOrEqual(until(renewed));
  }, 30_000);
});

describe("roles and permissions", () => {
  test("five roles and fifteen permissions, as the table has them", () => {
    const drawing = Object.fromEntries(
      ROLES.map((role) => [
        role,
        PERMISSIONS.map((one) => (GRANTS[role].includes(one) ? "Y" : "-")).join(""),
      ]),
    );
    expect(PERMISSIONS).toHaveLength(15);
    expect(drawing).toEqual({
      owner: "YYYYYYYYYYYYYYY",
      admin: "YYYYYYYY-Y--YYY",
      billing_admin: "YYY-YY---YY-YY-",
      member: "YYY-YY------YY-",
      viewer: "-Y----------Y--",
    });
    const nobody = {
      tenant: "t",
      user: "u",
      roles: ["finance_approvers", "__proto__"],
      permissions: [],
    };
    expect(PERMISSIONS.some((one) => mayDo(nobody, one))).toBe(false);
  });

  test("a member's role changes at once, beats the token, and the last owner stays one", async () => {
    const olga = await as("olga");
    const max = await as("max");
    const change = (action: object) =>
      olga.ask({ type: "manage_members", change: action as never });
    const people = await change({ action: "list" });
    const members = people["members"] as { userId: string; role: string; source: string }[];
    expect(members).toContainEqual(
      expect.objectContaining({ userId: "max", role: "member", source: "token" }),
    );
    expect(await max.ask({ type: "manage_members", change: { action: "list" } })).toMatchObject({
      code: "PermissionDenied",
    });
    await change({ action: "set_role", userId: "max", role: "viewer" });
    expect(await max.ask({ type: "create_session", agentType: "echo" })).toMatchObject({
      code: "PermissionDenied",
    });
    const again = await signIn(await oidc.token("max"));
    expect(again.answer).toMatchObject({ identity: { roles: ["viewer", "finance_approvers"] } });
    await change({ action: "remove", userId: "max" });
    await max.until(() => max.closeCode !== null);
    expect(max.closeCode).toBe(4003);
    expect((await signIn(await oidc.token("max"))).answer).toMatchObject({ code: "AUTH_FAILED" });
    expect(await change({ action: "set_role", userId: "nobody", role: "member" })).toMatchObject({
      code: "MemberNotFound",
    });
    const owners = members.filter(({ role }) => role === "owner").map(({ userId }) => userId);
    expect(owners).toEqual(["olga"]);
    for (const action of [
      { action: "set_role", userId: "olga", role: "member" },
      { action: "remove", userId: "olga" },
    ]) {
      expect(await change(action)).toMatchObject({ code: "LastOwner" });
    }
    for (const one of [olga, again.client]) one.close();
  });

  test("an invitation is taken up by whom the provider vouches the address for, once per key", async () => {
    const olga = await as("olga");
    const before = await signIn(await oidc.token("new"));
    expect(before.answer).toMatchObject({ identity: { roles: [] } });
    expect(await before.client.ask({ type: "list_sessions" })).toMatchObject({
      code: "PermissionDenied",
    });
    const invite = {
      type: "manage_members",
      change: { action: "invite", email: "New@acme.test", role: "member" },
      idempotencyKey: "i",
    } as const;
    for (const answer of [await olga.ask(invite), await olga.ask(invite)]) {
      expect(answer["invitations"]).toMatchObject([{ email: "new@acme.test", role: "member" }]);
    }
    const after = await signIn(await oidc.token("new"));
    expect(after.answer).toMatchObject({ identity: { roles: ["member"] } });
    expect(await olga.ask({ type: "manage_members", change: { action: "list" } })).toMatchObject({
      invitations: [],
    });
    for (const one of [olga, before.client, after.client]) one.close();
  });
});

test("20 failures from one address in a minute, and it waits; who is signed in does not", async () => {
  const own = new World();
  const door = await own.start();
  const inside = await TestClient.as(door.port, TOKENS.ann);
  for (let count = 0; count < 20; count += 1) {
    const client = await TestClient.connect(door.port);
    expect(await client.ask({ type: "authenticate", token: "wrong-token" })).toMatchObject({
      code: "AUTH_FAILED",
    });
  }
  const client = await TestClient.connect(door.port);
  const answer = await client.ask({ type: "authenticate", token: TOKENS.ann });
  expect(answer).toMatchObject({ code: "AUTH_RATE_LIMITED", retryAfterMs: expect.any(Number) });
  await client.until(() => client.closeCode !== null);
  expect(client.closeCode).toBe(4029);
  const overHttp = await fetch(`${door.url}/api/approvals`, {
    headers: { authorization: `Bearer ${TOKENS.ann}` },
  });
  expect(overHttp.status).toBe(429);
  expect(await inside.ask({ type: "ping" })).toMatchObject({ type: "pong" });
  await own.stop();
});
