/** What the session's agent keeps in its workspace: the files by folder, and one of them opened. */
import type { FileEntry } from "@concert/sdk";
import { UnstyledButton } from "@mantine/core";
import { IconFile, IconFolder } from "@tabler/icons-react";
import { useState } from "react";
import { Empty } from "../../ui/Empty.tsx";
import { LoadedView } from "../../ui/LoadedView.tsx";
import { FileView } from "./FileView.tsx";
import classes from "./files.module.css";
import { foldersOf, sizeText } from "./files.ts";
import { useFiles } from "./use-files.ts";

interface Props {
  readonly sessionId: string;
}

export function FilesView({ sessionId }: Props) {
  const files = useFiles(sessionId);
  const [opened, setOpened] = useState<string | null>(null);
  return (
    <section className={classes["panel"]} aria-label="Files" data-testid="files-panel">
      {opened === null ? (
        <LoadedView what="files" loaded={files}>
          {(entries) => <FileList entries={entries} onOpen={setOpened} />}
        </LoadedView>
      ) : (
        <FileView
          key={`${sessionId} ${opened}`}
          sessionId={sessionId}
          path={opened}
          onBack={() => setOpened(null)}
        />
      )}
    </section>
  );
}

function FileList(props: {
  readonly entries: readonly FileEntry[];
  readonly onOpen: (path: string) => void;
}) {
  const folders = foldersOf(props.entries);
  if (folders.length === 0) {
    return (
      <Empty icon={<IconFolder size={28} />} title="No files yet">
        The agent can keep notes and results here, in every version. Ask it to, for example: “Write
        trip/notes.md: Buy tulips”.
      </Empty>
    );
  }
  return folders.map((folder) => (
    <div key={folder.path} className={classes["folder"]}>
      {folder.path === "" ? null : (
        <h3 className={classes["folderName"]}>
          <IconFolder size={14} aria-hidden="true" /> {folder.path}
        </h3>
      )}
      <ul className={classes["list"]}>
        {folder.files.map(({ path, name, size }) => (
          <li key={path}>
            <UnstyledButton
              className={classes["file"]}
              data-testid="file"
              data-path={path}
              onClick={() => props.onOpen(path)}
            >
              <IconFile size={16} aria-hidden="true" />
              <span className={classes["name"]}>{name}</span>
              <span className={classes["size"]}>{sizeText(size)}</span>
            </UnstyledButton>
          </li>
        ))}
      </ul>
    </div>
  ));
}
