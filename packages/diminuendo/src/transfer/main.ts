/** The program that moves a tenant between gateways: export on one, copy the folder, import on the other. */
import { choice, settingsOrExit, text } from "@concert/service-kit/config";
import { exportTenant, importTenant, TransferError } from "./tenant-transfer.ts";

const PROGRAM = "diminuendo-transfer";
const SETTINGS = {
  action: choice({
    flag: "action",
    help: "Which way; the gateway must be stopped.",
    choices: ["export", "import"],
    default: "export",
  }),
  dataDir: text({
    flag: "data-dir",
    env: "DIMINUENDO_DATA_DIR",
    help: "The gateway's data directory.",
    placeholder: "folder",
    default: "./data/diminuendo",
  }),
  tenant: text({ flag: "tenant", help: "Which tenant to export.", default: "" }),
  folder: text({
    flag: "folder",
    help: "Where the exported tenant is, or is to be.",
    placeholder: "folder",
    default: "./tenant-export",
  }),
} as const;

const { action, dataDir, tenant, folder } = settingsOrExit(
  PROGRAM,
  "moves a tenant between gateways as one folder",
  SETTINGS,
);
try {
  const { tenantId, sessions } =
    action === "export" ? exportTenant(dataDir, tenant, folder) : importTenant(dataDir, folder);
  process.stdout.write(`${action}ed tenant ${tenantId} with ${sessions} sessions\n`);
} catch (error) {
  if (!(error instanceof TransferError)) throw error;
  process.stderr.write(`${PROGRAM}: ${error.message}\n`);
  process.exit(1);
}
