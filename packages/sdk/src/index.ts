/** The gateway's client and the pure view of a session. Effect users: `@concert/sdk/adapter`. */

export { AutomationCalls, type PageOf } from "./AutomationCalls.ts";
export type { ConfigEntry, ConfigListener, ConfigOperation } from "./ConfigChannel.ts";
export type { ConnectionStatus } from "./Connection.ts";
export {
  type Answer,
  type ClientEvents,
  type ClientOptions,
  DiminuendoClient,
} from "./DiminuendoClient.ts";
export { type ClientErrorCode, GatewayError } from "./errors.ts";
export type { TurnReceipt } from "./GatewayCalls.ts";
export type {
  Answered,
  Automation,
  AutomationDefinition,
  AutomationDelivery,
  AutomationInput,
  AutomationLogEntry,
  AutomationRun,
  Blueprint,
  BlueprintInput,
  ConfigScope,
  Decision,
  DeletedSession,
  DeliveryStatus,
  ErrorCode,
  Events,
  FileContent,
  FileEntry,
  FileIteration,
  Identity,
  InboxItem,
  InboxView,
  Invitation,
  Member,
  MemberAction,
  Permission,
  Problem,
  Role,
  RunStatus,
  SessionEvent,
  SessionEventOf,
  SessionMeta,
  SessionStatus,
  StateSnapshot,
  WhenBusy,
} from "./protocol.ts";
export { ROLE_GRANTS, rolesAllow } from "./roles.ts";
export {
  emptySessionView,
  foldSession,
  type PendingSteer,
  type QueuedTurn,
  type SessionView,
  type TurnStatus,
  type TurnView,
} from "./session-view.ts";
export type { SocketConstructor, SocketLike } from "./socket.ts";
export type {
  ApprovalItem,
  AssistantItem,
  QuestionItem,
  ThinkingItem,
  ThreadItem,
  ThreadItemOf,
  ToolItem,
  TurnEndItem,
  UserItem,
} from "./thread-items.ts";
