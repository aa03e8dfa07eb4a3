/** A decision that waits for a person, with what they need to know. Shows how it was decided afterwards. */
import type { ApprovalItem } from "@concert/sdk";
import { Button, TextInput, UnstyledButton } from "@mantine/core";
import { IconCheck, IconShieldCheck, IconX } from "@tabler/icons-react";
import { type ReactNode, useRef, useState } from "react";
import { formatClock, formatLeft } from "../../lib/format.ts";
import { useNow } from "../../lib/use-now.ts";
import { Failure } from "../../ui/Failure.tsx";
import {
  RequestButtons,
  RequestCard,
  RequestEnd,
  RequestExpiry,
  RequestTitle,
} from "../../ui/RequestCard.tsx";
import { decisionLabel, type Review, readReview, urgencyOf } from "./approval.ts";
import classes from "./approvals.module.css";
import type { Answering } from "./use-approval.ts";

interface Props {
  readonly item: ApprovalItem;
  /** The turn still waits for this answer. */
  readonly open: boolean;
  readonly answering: Answering;
}

const SECOND_MS = 1_000;

export function ApprovalCardView({ item, open, answering }: Props) {
  const review = readReview(item);
  const waiting = open && item.resolution === null;
  const [reviewing, setReviewing] = useState(false);
  const cardRef = useRef<HTMLElement>(null);
  // The buttons go away with the answer; whoever pressed one stays at the card instead of losing the place.
  const decide: Answering["decide"] = (decision, reason) => {
    cardRef.current?.focus({ preventScroll: true });
    answering.decide(decision, reason);
  };
  return (
    <RequestCard
      ref={cardRef}
      testId="approval-card"
      requestId={item.id}
      label={`Approval: ${review.action}`}
      waiting={waiting}
      icon={<IconShieldCheck size={18} aria-hidden="true" />}
      headline={waiting ? "Your approval is needed" : "Approval"}
      expiry={<Expiry expiresAt={item.expiresAt} />}
    >
      <RequestTitle>{review.action}</RequestTitle>
      {waiting || reviewing ? (
        <>
          <Affected review={review} />
          <Reasons review={review} />
        </>
      ) : null}
      {waiting ? (
        <Choice answering={{ ...answering, decide }} />
      ) : (
        <Decided resolution={item.resolution}>
          <UnstyledButton
            className={classes["review"]}
            aria-expanded={reviewing}
            onClick={() => setReviewing(!reviewing)}
          >
            {reviewing ? "Hide" : "What was reviewed"}
          </UnstyledButton>
        </Decided>
      )}
    </RequestCard>
  );
}

function Affected({ review }: { readonly review: Review }) {
  if (review.rows.length === 0) return null;
  return (
    <dl className={classes["rows"]}>
      {review.rows.map(({ label, value, prominent }) => (
        <div key={label} data-prominent={prominent}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Reasons({ review }: { readonly review: Review }) {
  const facts = [
    ["Why you", review.why.join(" ")],
    ["Policy", review.policy ?? ""],
    ["Asked by", review.requester ?? ""],
    ["Risk", review.risk ?? ""],
    ["If you approve", review.after.join(" ")],
  ].filter(([, text]) => text !== "");
  return (
    <dl className={classes["reasons"]}>
      {facts.map(([label, text]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{text}</dd>
        </div>
      ))}
    </dl>
  );
}

function Expiry({ expiresAt }: { readonly expiresAt: number | null }) {
  const nowMs = useNow(SECOND_MS);
  const urgency = urgencyOf(expiresAt, nowMs);
  if (expiresAt === null || urgency === "never") return null;
  return (
    <RequestExpiry
      text={urgency === "over" ? "expired" : `expires in ${formatLeft(expiresAt - nowMs)}`}
      urgent={urgency === "over" || urgency === "soon"}
      testId="approval-expiry"
    />
  );
}

function Choice({ answering }: Pick<Props, "answering">) {
  const [reason, setReason] = useState("");
  const { pending, failure, decide } = answering;
  return (
    <div className={classes["choice"]}>
      <TextInput
        size="sm"
        placeholder="Reason (optional, kept on record)"
        aria-label="Reason for your decision"
        maxLength={2_000}
        value={reason}
        disabled={pending !== null}
        data-testid="approval-reason"
        onChange={(event) => setReason(event.currentTarget.value)}
      />
      <RequestButtons>
        <Button
          leftSection={<IconCheck size={16} />}
          loading={pending === "approved"}
          disabled={pending === "rejected"}
          data-testid="approve"
          onClick={() => decide("approved", reason.trim())}
        >
          Approve
        </Button>
        <Button
          variant="default"
          leftSection={<IconX size={16} />}
          loading={pending === "rejected"}
          disabled={pending === "approved"}
          data-testid="reject"
          onClick={() => decide("rejected", reason.trim())}
        >
          Reject
        </Button>
      </RequestButtons>
      {failure === null ? null : <Failure reason={failure} />}
    </div>
  );
}

function Decided(props: Pick<ApprovalItem, "resolution"> & { readonly children: ReactNode }) {
  const { resolution, children } = props;
  const { decision } = resolution ?? {};
  const end =
    decision === undefined
      ? null
      : ({ name: decision, tone: decision === "approved" ? "good" : "bad" } as const);
  return (
    <RequestEnd testId="approval-decision" end={end} aside={children}>
      {resolution === null ? null : (
        <>
          <strong>{decisionLabel(resolution.decision)}</strong>
          {resolution.decidedBy === null ? "" : ` by ${resolution.decidedBy}`} at{" "}
          {formatClock(resolution.ts)}
          {resolution.reason === null ? "" : `: “${resolution.reason}”`}
        </>
      )}
    </RequestEnd>
  );
}
