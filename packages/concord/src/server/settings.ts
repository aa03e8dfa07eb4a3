/** Owns the settings of the Concord process. The defaults are for development on one machine. */
import { config } from "@concert/service-kit";
import { WORKFLOW_VERSION } from "../runtime/dbos/index.ts";

export const SUMMARY = "durable commands with policy, approval, effects and audit.";

export const SETTINGS = {
  listen: config.listen({
    flag: "listen",
    env: "CONCORD_LISTEN",
    help: "Where to listen.",
    default: "127.0.0.1:4200",
  }),
  databaseUrl: config.url({
    flag: "database-url",
    env: "DATABASE_URL",
    help: "The Postgres that holds commands and their runs.",
    default: "postgres://postgres:postgres@127.0.0.1:5433/concord",
  }),
  databaseSocket: config.text({
    flag: "database-socket",
    env: "CONCORD_DATABASE_SOCKET",
    help: "Folder with the local socket of the server of --database-url; TCP where it is not there or may not be used.",
    placeholder: "folder",
  }),
  ownerDatabaseUrl: config.url({
    flag: "owner-database-url",
    env: "CONCORD_OWNER_DATABASE_URL",
    help: "Who migrates; then --database-url may be a member of concord_app, which cannot change the record.",
  }),
  contracts: config.list({
    flag: "contracts",
    env: "CONCORD_CONTRACTS",
    help: "Modules whose default export is made by defineContracts (paths or package names), YAML files, or folders of them.",
    placeholder: "path,path",
    default: [],
  }),
  serviceKey: config.secret({
    flag: "service-key",
    env: "CONCORD_SERVICE_KEY",
    help: "The key of Concert's own services.",
    default: "con_dev",
  }),
  apiKeys: config.list({
    flag: "api-keys",
    env: "CONCORD_API_KEYS",
    help: "Operator keys, each bound to an identity.",
    placeholder: "key=tenant:user:role|role:permission|permission,…",
    default: ["dev=dev:dev-user-001:owner|operator|finance_approvers:book_travel"],
  }),
  internalSecret: config.secret({
    flag: "internal-secret",
    env: "CONCERT_INTERNAL_SECRET",
    help: "Signs the tokens that name a person between services.",
    default: "concert-dev-internal-secret",
  }),
  executorId: config.text({
    flag: "executor-id",
    env: "CONCORD_EXECUTOR_ID",
    help: "Unique and stable per process: a restart with the same id continues its work.",
    default: "concord-1",
  }),
  secretDirectories: config.list({
    flag: "secret-directories",
    env: "CONCORD_SECRET_DIRECTORIES",
    help: "Where file: references of connectors may read, e.g. /run/secrets.",
    placeholder: "path,path",
    default: [],
  }),
  concordanceUrl: config.url({
    flag: "concordance-url",
    env: "CONCORDANCE_URL",
    help: "Where concordance: references of connectors are looked up; absent: nowhere.",
  }),
  concordanceKey: config.secret({
    flag: "concordance-agent-key",
    env: "CONCORDANCE_AGENT_API_KEY",
    help: "A key that may read there.",
    default: "dev-agent",
  }),
  webhookPrivateRanges: config.list({
    flag: "webhook-private-ranges",
    env: "CONCORD_WEBHOOK_PRIVATE_RANGES",
    help: "Private addresses that webhooks may be sent to all the same; by default only public ones.",
    placeholder: "10.1.0.0/16,…",
    default: [],
  }),
  webhookPlainHttp: config.toggle({
    flag: "webhook-plain-http",
    env: "CONCORD_WEBHOOK_PLAIN_HTTP",
    help: "Whether webhooks may be sent without TLS.",
    default: false,
  }),
  webhookRetrySeconds: config.list({
    flag: "webhook-retry-seconds",
    env: "CONCORD_WEBHOOK_RETRY_SECONDS",
    help: "How long is waited after each failed attempt to send a webhook.",
    placeholder: "5,30,…",
    default: ["5", "30", "120", "600", "1800", "7200", "21600"],
  }),
  webhookFailuresMax: config.integer({
    flag: "webhook-failures-max",
    env: "CONCORD_WEBHOOK_FAILURES_MAX",
    help: "After so many webhooks in a row that were given up, their endpoint is disabled.",
    default: 5,
    min: 1,
    max: 10_000,
  }),
  alertLimits: config.list({
    flag: "alert-limits",
    env: "CONCORD_ALERT_LIMITS",
    help: "From when on somebody has to look; see docs/alerts.md.",
    placeholder: "queued_seconds=600,…",
    default: [],
  }),
  eventRetention: config.list({
    flag: "event-retention",
    env: "CONCORD_EVENT_RETENTION",
    help: "Days after which events are forgotten, by purpose or purpose/command_type; the rest is kept. See docs/redaction.md.",
    placeholder: "agent_step=90,audit/book_hotel=2557",
    default: [],
  }),
  tokenCosts: config.list({
    flag: "token-costs",
    env: "CONCORD_TOKEN_COSTS",
    help: "Cost units for a thousand tokens of an agent's thoughts; see docs/wire.md.",
    placeholder: "input=0.3,output=1.5",
    default: [],
  }),
  workflowVersion: config.text({
    flag: "workflow-version",
    env: "CONCORD_WORKFLOW_VERSION",
    help: "Only for upgrades that change the order of durable steps; runs go on where their version lives.",
    placeholder: "version",
    default: WORKFLOW_VERSION,
  }),
  otlpEndpoint: config.url({
    flag: "otlp-endpoint",
    env: "OTEL_EXPORTER_OTLP_ENDPOINT",
    help: "OpenTelemetry collector (OTLP over HTTP) that spans go to; without it none leave.",
  }),
  otlpHeaders: config.list({
    flag: "otlp-headers",
    env: "OTEL_EXPORTER_OTLP_HEADERS",
    help: "Headers for the collector, their values percent-encoded.",
    placeholder: "name=value,…",
    default: [],
  }),
  otlpServiceName: config.text({
    flag: "otlp-service-name",
    env: "CONCORD_OTLP_SERVICE_NAME",
    help: "What this process is called in traces.",
    placeholder: "name",
    default: "concord",
  }),
  queuePrefix: config.text({
    flag: "queue-prefix",
    env: "CONCORD_QUEUE_PREFIX",
    help: "Put before the names of the queues, e.g. one for each environment; change it only while nothing is queued.",
    placeholder: "staging",
  }),
  podiumUrl: config.url({
    flag: "podium-url",
    env: "PODIUM_URL",
    help: "Who hosts the agents.",
    default: "http://127.0.0.1:5083",
  }),
  podiumKey: config.secret({
    flag: "podium-key",
    env: "PODIUM_API_KEY",
    help: "The service key of Podium.",
    default: "pod_dev",
  }),
} as const;
