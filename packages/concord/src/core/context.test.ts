import { expect, test } from "vitest";
import type { Command } from "./command.ts";
import { contextTold, newContext } from "./context.ts";

const actor = { tenant: "t1", user: "anna", roles: [], permissions: [] };
const ids = () => {
  let n = 0;
  return () => {
    n += 1;
    return `00000000-0000-7000-8000-${String(n).padStart(12, "0")}`;
  };
};

test("CMD-4 a context that says nothing runs as the user, anywhere, and has a request of its own", () => {
  const newId = ids();
  const [one, other] = [newContext({ actor }, newId), newContext({ actor }, newId)];
  expect(one).toEqual({
    actor,
    runAs: "user",
    requestId: "req_00000000000070008000000000000001",
    metadata: {},
  });
  expect(other.requestId).not.toBe(one.requestId);
  expect(newContext({ actor, place: {} }, newId)).not.toHaveProperty("place");
});

test("CMD-4 what is told of it are the nine parts of the specification, with null where nothing was said", () => {
  const place = { workspaceId: "w", appId: "a", teamId: "x", environment: "prod" };
  const told = (context: ReturnType<typeof newContext>) =>
    contextTold({ context, tenantId: "t1", traceId: "trace" } as Command);
  const request = { actor, place, runAs: "automation", metadata: { kept: "inside" } };
  expect(told(newContext(request, ids()))).toEqual({
    user_id: "anna",
    tenant_id: "t1",
    workspace_id: "w",
    app_id: "a",
    team_id: "x",
    environment: "prod",
    run_as: "automation",
    trace_id: "trace",
    request_id: "req_00000000000070008000000000000001",
  });
  expect(told(newContext({ actor }, ids()))).toMatchObject({
    workspace_id: null,
    app_id: null,
    team_id: null,
    environment: null,
    run_as: "user",
  });
});
