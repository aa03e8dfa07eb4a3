/** What can be done with a session as a whole: to delete it, after a second look at what goes and what stays. */
import { ActionIcon, Button, Group, Menu, Modal, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconDots, IconTrash } from "@tabler/icons-react";
import { useAction } from "../lib/use-action.ts";
import { useGateway } from "../lib/use-gateway.ts";
import { usePermission } from "../lib/use-permission.ts";
import { Failure } from "../ui/Failure.tsx";

interface Props {
  readonly sessionId: string;
  readonly onDeleted: () => void;
}

export function SessionMenu({ sessionId, onDeleted }: Props) {
  const gateway = useGateway();
  const mayDelete = usePermission("session:delete");
  const [asking, ask] = useDisclosure(false);
  const { pending, failure, run } = useAction();
  if (!mayDelete) return null;
  const remove = async () => {
    if (await run("delete", () => gateway.deleteSession(sessionId))) onDeleted();
  };
  return (
    <>
      <Menu position="bottom-end" withinPortal>
        <Menu.Target>
          <ActionIcon
            variant="subtle"
            color="gray"
            size="lg"
            aria-label="More about this session"
            data-testid="session-menu"
          >
            <IconDots size={20} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item
            color="red"
            leftSection={<IconTrash size={16} />}
            data-testid="delete-session"
            onClick={ask.open}
          >
            Delete session…
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Modal opened={asking} onClose={ask.close} title="Delete this session?" centered>
        <Text size="sm">
          The conversation goes for everybody in the workspace, with the agent's files in all their
          versions. What was done stays on record, and so does that you deleted it.
        </Text>
        {failure === null ? null : <Failure reason={failure.reason} />}
        <Group mt="md">
          <Button
            color="red"
            loading={pending !== null}
            data-testid="confirm-delete"
            onClick={() => void remove()}
          >
            Delete for good
          </Button>
          <Button variant="default" onClick={ask.close}>
            Keep it
          </Button>
        </Group>
      </Modal>
    </>
  );
}
