/**
 * Owns what a tenant adds to an agent's system prompt: key `concierge.system_prompt_suffix` of its settings in
 * Concordance, read with the agents' read-only key. Refuses to own: the prompt itself (`agents/concierge.ts`).
 *
 * Asked anew for every thought, so that a change counts at once. While Concordance cannot answer, the last
 * answer counts: a missing sentence must not stop a turn.
 */
import { ConcordanceClient } from "@concert/concordance";
import type { Logger } from "@concert/service-kit";

const KEY = "concierge.system_prompt_suffix";
const SUFFIX_CHARS_MAX = 4_000;
const TENANTS_REMEMBERED_MAX = 1_000;
const ANSWER_MS_MAX = 1_500;

/** The text for a tenant, or undefined when it adds nothing. Never rejects. */
export type TenantPrompt = (tenantId: string) => Promise<string | undefined>;

/** Without a Concordance no tenant adds anything. */
export const noTenantPrompt: TenantPrompt = async () => undefined;

export function createTenantPrompt(
  settings: { readonly url: string; readonly agentKey: string },
  log: Logger,
): TenantPrompt {
  const { url, agentKey: apiKey } = settings;
  const concordance = new ConcordanceClient({ url, apiKey, timeoutMs: ANSWER_MS_MAX });
  const remembered = new Map<string, string | undefined>();
  return async (tenantId) => {
    try {
      const entry = await concordance.get(`tenant:${tenantId}/settings`, KEY);
      const suffix = readSuffix(entry?.value);
      remember(remembered, tenantId, suffix);
      return suffix;
    } catch (error) {
      log.warn({ err: error, tenant: tenantId }, "cannot read the tenant's prompt; using the last");
      return remembered.get(tenantId);
    }
  };
}

function readSuffix(value: unknown): string | undefined {
  if (typeof value !== "string" || value.trim() === "") return undefined;
  return value.slice(0, SUFFIX_CHARS_MAX);
}

function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  const oldest = map.keys().next();
  if (map.size > TENANTS_REMEMBERED_MAX && !oldest.done) map.delete(oldest.value);
}
