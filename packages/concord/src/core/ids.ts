/** Owns the two forms of an id (CMD-5): UUID inside, `<prefix>_<hex32>` outside. Pure; new UUIDs are passed in. */

export const ID_PREFIXES = {
  command: "cmd",
  approval: "appr",
  artifact: "art",
  effect: "eff",
  event: "evt",
  incident: "inc",
  input: "inp",
  notification: "ntf",
  webhook: "whk",
  delivery: "dlv",
} as const;
export type IdKind = keyof typeof ID_PREFIXES;

declare const brand: unique symbol;
/** A UUID that names one kind of thing. */
export type Id<K extends IdKind> = string & { readonly [brand]: K };
export type CommandId = Id<"command">;
export type ApprovalId = Id<"approval">;
export type ArtifactId = Id<"artifact">;
export type EffectId = Id<"effect">;
export type EventId = Id<"event">;
export type IncidentId = Id<"incident">;
export type InputId = Id<"input">;
export type NotificationId = Id<"notification">;
export type WebhookId = Id<"webhook">;
export type DeliveryId = Id<"delivery">;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** `cmd_0123…` from a UUID. */
export function encodeId(kind: IdKind, uuid: string): string {
  return `${ID_PREFIXES[kind]}_${uuid.replaceAll("-", "")}`;
}

/** The UUID inside `text`, or undefined when it is not an id of this kind. */
export function decodeId<K extends IdKind>(kind: K, text: string): Id<K> | undefined {
  const prefix = `${ID_PREFIXES[kind]}_`;
  const hex = text.slice(prefix.length);
  if (!text.startsWith(prefix) || !/^[0-9a-f]{32}$/.test(hex)) return undefined;
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5") as Id<K>;
}

/** Marks a UUID read from our own tables. Throws when it is not one: then the table is broken. */
export function asId<K extends IdKind>(_kind: K, uuid: string): Id<K> {
  if (!UUID.test(uuid)) throw new Error(`"${uuid}" is not a UUID`);
  return uuid as Id<K>;
}
