/** Owns what the channels of notification have in common. */
import type { RetryDeclaration } from "../../../core/retry.ts";
import type { RequestLimit } from "../../../domain/connectors.ts";

export interface TellingOptions {
  readonly name: string;
  /** Names one message, e.g. `booked:{booking_draft_id}`; see `OperationDefinition.keyTemplate`. */
  readonly keyTemplate: string;
  readonly retry?: RetryDeclaration;
  readonly rateLimit?: RequestLimit;
}

/** What has been read cannot be unread: a correction is another message. */
export const TELLING = {
  sideEffect: true,
  compensation: {
    notNeeded: "what was read cannot be taken back; a correction is another message",
  },
} as const;

/** EX-13: notifications are tried for 40 seconds. */
export const TELLING_RETRY: RetryDeclaration = { attemptsMax: 5, waitsSeconds: [1, 3, 9, 27] };
