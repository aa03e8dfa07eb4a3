/** Owns the numbers of advisory locks that one process of all holds at a time; beside each other, so that none is used twice. */
export const LOCK_KEYS = {
  migrate: 727_420_001,
  sealAudit: 727_420_002,
  passOnMessages: 727_420_003,
  dispatchWebhooks: 727_420_004,
} as const;
