import { expect, test } from "vitest";
import type { Command } from "../core/command.ts";
import { asId } from "../core/ids.ts";
import { COMMAND_STATUSES } from "../core/vocabulary.ts";
import { CommandView, commandView } from "./views.ts";

const ID = "01a1fe06-1cd7-702f-8567-4d31377853f0";
const command: Command = {
  commandId: asId("command", ID),
  tenantId: "t1",
  commandType: "buy",
  taskName: "buy",
  status: "created",
  requestedBy: "anna",
  ingress: "user_request",
  payload: { item: "chair" },
  context: {
    actor: { tenant: "t1", user: "anna", roles: [], permissions: ["buy"] },
    runAs: "user",
    requestId: "req_1",
    metadata: { secret_of_ours: true },
  },
  facts: { inside: true },
  plan: null,
  stepResults: { inside: true },
  requestHash: "hash",
  idempotencyKey: null,
  parentCommandId: null,
  rootCommandId: asId("command", ID),
  traceId: "trace",
  workflowId: `command:cmd_${ID}`,
  isParked: false,
  hasDependencies: false,
  cancellationMode: "graceful",
  cancellationRequestedAt: null,
  result: null,
  error: null,
  errorClass: null,
  createdAt: "2027-01-01T00:00:00.000Z",
  updatedAt: "2027-01-01T00:00:00.000Z",
  completedAt: null,
};

test.each(COMMAND_STATUSES)(
  "API-7 X-3 a command that is %s says so as status and as state",
  (status) => {
    expect(commandView({ ...command, status })).toMatchObject({ status, state: status });
  },
);

test("X-49 RUN-17 outside there are prefixed ids only, and nothing of the engine or of what is kept inside", () => {
  const view = commandView(command);
  expect(view.command_id).toBe("cmd_01a1fe061cd7702f85674d31377853f0");
  expect(view.root_command_id).toBe(view.command_id);
  const text = JSON.stringify(view);
  for (const inside of [ID, "command:cmd_", "inside", "secret_of_ours", "permissions"]) {
    expect(text).not.toContain(inside);
  }
  expect(CommandView.strict().parse(view)).toEqual(view);
});
