/** Something new: what should be done, and by which agent. The session is created with its first message. */
import { SegmentedControl } from "@mantine/core";
import { IconEye } from "@tabler/icons-react";
import { useState } from "react";
import { ComposerView } from "../features/chat/ComposerView.tsx";
import { useDraft } from "../features/chat/use-draft.ts";
import { WelcomeView } from "../features/chat/WelcomeView.tsx";
import { nameFrom } from "../features/sessions/sessions.ts";
import { explainError } from "../lib/explain-error.ts";
import { useGateway } from "../lib/use-gateway.ts";
import { useIdentity, usePermission } from "../lib/use-permission.ts";
import { Empty } from "../ui/Empty.tsx";
import { Failure } from "../ui/Failure.tsx";
import classes from "./app.module.css";
import { PageHeader } from "./PageHeader.tsx";

interface Props {
  readonly onCreated: (sessionId: string) => void;
  readonly onMenu: (() => void) | null;
}

const AGENTS = [
  { value: "concierge", label: "Concierge" },
  { value: "echo", label: "Echo" },
];

export function NewSessionScreen({ onCreated, onMenu }: Props) {
  const gateway = useGateway();
  const identity = useIdentity();
  const mayCreate = usePermission("session:create");
  const [draft, setDraft] = useDraft("new");
  const [agentType, setAgentType] = useState("concierge");
  const [creating, setCreating] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  const start = async (text: string) => {
    setDraft(text);
    setCreating(true);
    setFailure(null);
    try {
      const { sessionId } = await gateway.createSession(agentType, nameFrom(text));
      setDraft("");
      void gateway.send(sessionId, text, crypto.randomUUID());
      onCreated(sessionId);
    } catch (error) {
      setCreating(false);
      setFailure(explainError(error));
    }
  };
  if (identity !== null && !mayCreate) {
    return (
      <div className={classes["page"]}>
        <PageHeader title="Sessions" onMenu={onMenu} />
        <Empty icon={<IconEye size={32} />} title="You read along here">
          Open a session at the left to follow its conversation and its record. To start one, ask an
          owner of the workspace for the role of a member.
        </Empty>
      </div>
    );
  }
  return (
    <div className={classes["page"]}>
      <PageHeader title="New session" onMenu={onMenu} />
      <div className={classes["scroll"]}>
        <WelcomeView onSuggest={(text) => void start(text)}>
          <SegmentedControl
            size="xs"
            data={AGENTS}
            value={agentType}
            aria-label="Agent"
            data-testid="agent-type"
            onChange={setAgentType}
          />
        </WelcomeView>
        {failure === null ? null : <Failure title="No session yet" reason={failure} />}
      </div>
      <ComposerView
        draft={draft}
        onDraft={setDraft}
        onSend={(text) => void start(text)}
        running={creating}
        stopping={creating}
        onStop={() => {}}
        placeholder="Describe what should be done…"
        hint={null}
        autoFocus
      />
    </div>
  );
}
