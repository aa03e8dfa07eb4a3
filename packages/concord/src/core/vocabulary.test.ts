import { expect, test } from "vitest";
import { ALERTS } from "../domain/alerts.ts";
import { DASHBOARD_NAMES } from "../domain/dashboards.ts";
import { RUNTIME_CAPABILITIES } from "../runtime/protocol/index.ts";
import { isRetryable } from "./errors.ts";
import { AUDIT_EVENT_TYPES, EVENT_TYPES, PRODUCT_EVENT_TYPES } from "./event-types.ts";
import * as keys from "./idempotency-keys.ts";
import { STRICTEST_FIRST } from "./policy.ts";
import {
  APPROVAL_STATUSES,
  ARTIFACT_STATUSES,
  ARTIFACT_TYPES,
  CANCELLATION_MODES,
  COMMAND_STATUSES,
  EFFECT_STATUSES,
  ERROR_CLASSES,
  EVENT_PURPOSES,
  INGRESS_TYPES,
  POLICY_CATEGORIES,
  POLICY_OUTCOMES,
  QUEUES,
  RESTING_STATUSES,
  RISK_LEVELS,
} from "./vocabulary.ts";

/** The members, written out by hand: an addition or a removal in the code disagrees with this list. */
const CLOSED: readonly (readonly [string, readonly string[], string])[] = [
  [
    "V-2 sources",
    INGRESS_TYPES,
    `user_request api_request external_webhook scheduled_trigger file_event table_event connector_event
     agent_action approval_callback retry_event system_event`,
  ],
  [
    "V-5 X-44 command statuses",
    COMMAND_STATUSES,
    `created validated waiting_for_input waiting_for_approval approved queued running blocked succeeded failed
     cancelled expired compensating compensated cancelling`,
  ],
  ["STM-9 statuses at rest", RESTING_STATUSES, "succeeded failed cancelled expired compensated"],
  [
    "V-9 policy outcomes",
    POLICY_OUTCOMES,
    "allow deny require_approval require_more_input route_sync route_async redact escalate",
  ],
  [
    "V-10 policy categories",
    POLICY_CATEGORIES,
    `permission cost data_safety external_sharing destructive_action memory_consent connector_scope agent_risk
     rate_limit approval_requirement`,
  ],
  ["V-11 effect statuses", EFFECT_STATUSES, "planned executing succeeded failed"],
  ["V-12 cancellation modes", CANCELLATION_MODES, "graceful compensate_then_stop"],
  ["V-13 approval statuses", APPROVAL_STATUSES, "pending approved rejected expired cancelled"],
  [
    "V-21 error classes",
    ERROR_CLASSES,
    `validation_error policy_denied approval_rejected transient_connector_error permanent_connector_error
     rate_limited timeout cancelled agent_failed human_input_missing unknown_error temporary_database_error
     permission_denied malformed_payload`,
  ],
  [
    "V-18 ART-2 types of artifacts that need no registering",
    ARTIFACT_TYPES,
    `report file table query_result dashboard notebook agent_answer approval_packet connector_snapshot
     model_output memory_summary`,
  ],
  [
    "V-20 ART-2 artifact statuses",
    ARTIFACT_STATUSES,
    "draft created validated published archived deleted failed",
  ],
  ["V-24 purposes of events", EVENT_PURPOSES, "event audit agent_step"],
  [
    "V-28 X-9 queues",
    QUEUES,
    `concord_default connector_calls agent_runs swarm_children notifications scheduled_maintenance
     high_risk_operations`,
  ],
  [
    "V-29 capabilities of a runtime",
    RUNTIME_CAPABILITIES,
    `durable_workflows durable_steps queues schedules signals subworkflows effect_interception
     saga_compensation_native workflow_versioning`,
  ],
  [
    "V-25 X-22 audit events, those of engines left out, and a drift",
    // An artifact that was made is told as an event of the product.
    [...AUDIT_EVENT_TYPES, ...PRODUCT_EVENT_TYPES.slice(0, 1)],
    `command_created input_validated policy_evaluated plan_created approval_requested approval_resolved
     task_enqueued task_started task_succeeded task_failed connector_called memory_written artifact_created
     notification_sent state_transitioned command_cancelled compensation_started compensation_completed
     compensation_drift`,
  ],
  [
    "V-63 dashboards",
    DASHBOARD_NAMES,
    `commands_by_state task_runs_by_status failed_tasks retry_counts approval_backlog old_queued_tasks
     connector_errors policy_denials memory_writes artifact_creation audit_volume`,
  ],
  [
    "V-64 alerts",
    ALERTS,
    `queued_too_long approvals_expired connector_errors retries_exhausted executor_silent policy_denials`,
  ],
  ["V-69 risk levels", RISK_LEVELS, "low medium high"],
];

test.each(CLOSED)("%s are exactly these, each once", (_name, members, listed) => {
  expect([...members].sort()).toEqual(listed.split(/\s+/).sort());
});

test("V-25 no name of an event stands twice", () => {
  expect(new Set(EVENT_TYPES).size).toBe(EVENT_TYPES.length);
});

test("V-22 V-23 exactly four classes are tried again, every other one is final", () => {
  const again = [
    "rate_limited",
    "temporary_database_error",
    "timeout",
    "transient_connector_error",
  ];
  expect(ERROR_CLASSES.filter(isRetryable).sort()).toEqual(again);
});

test("V-9 POL-5 every outcome has its place in the order of strictness, once", () => {
  expect([...STRICTEST_FIRST].sort()).toEqual([...POLICY_OUTCOMES].sort());
  expect(STRICTEST_FIRST[0]).toBe("deny");
});

test("V-73 the sources that have a name for what happened are exactly six", () => {
  expect(Object.keys(keys).sort()).toEqual([
    "apiRequestKey",
    "approvalDecisionKey",
    "fileKey",
    "scheduleKey",
    "userActionKey",
    "webhookKey",
  ]);
});
