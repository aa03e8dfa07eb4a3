/** One file: shown where that is safe, in the version the reader wants, and a way to have its bytes. */
import type { FileContent, FileIteration } from "@concert/sdk";
import { Button, NativeSelect } from "@mantine/core";
import { IconArrowLeft, IconDownload } from "@tabler/icons-react";
import { useState } from "react";
import { formatMoment } from "../../lib/format.ts";
import { LoadedView } from "../../ui/LoadedView.tsx";
import { FilePreview } from "./FilePreview.tsx";
import classes from "./files.module.css";
import { downloadOf, sizeText } from "./files.ts";
import { useFile, useVersions } from "./use-files.ts";

interface Props {
  readonly sessionId: string;
  readonly path: string;
  readonly onBack: () => void;
}

export function FileView({ sessionId, path, onBack }: Props) {
  const [iteration, setIteration] = useState<number | null>(null);
  const file = useFile(sessionId, path, iteration);
  const versions = useVersions(sessionId, path);
  const content = file.status === "ready" ? file.value : null;
  return (
    <>
      <div className={classes["bar"]}>
        <Button
          size="compact-sm"
          variant="subtle"
          leftSection={<IconArrowLeft size={14} />}
          data-testid="files-back"
          onClick={onBack}
        >
          All files
        </Button>
        <Button
          size="compact-sm"
          variant="default"
          leftSection={<IconDownload size={14} />}
          disabled={content === null}
          data-testid="file-download"
          onClick={() => content !== null && download(content)}
        >
          Download
        </Button>
      </div>
      <h3 className={classes["path"]} data-testid="file-path">
        {path}
      </h3>
      <LoadedView what="versions" loaded={versions}>
        {(iterations) => (
          <NativeSelect
            size="xs"
            aria-label="Version"
            data-testid="file-version"
            value={iteration ?? ""}
            data={choicesOf(iterations)}
            onChange={({ currentTarget: { value } }) =>
              setIteration(value === "" ? null : Number(value))
            }
          />
        )}
      </LoadedView>
      <LoadedView what="content" loaded={file}>
        {(shown) => <FilePreview file={shown} />}
      </LoadedView>
    </>
  );
}

/** Newest first; a version in which the file was deleted has nothing to show. */
function choicesOf(iterations: readonly FileIteration[]) {
  const kept = iterations.filter(({ deleted }) => deleted !== true).toReversed();
  return [
    { value: "", label: "As it is now" },
    ...kept.map(({ iteration, timestamp, size }) => ({
      value: String(iteration),
      label: `${formatMoment(timestamp)} · ${sizeText(size)} · version ${iteration}`,
    })),
  ];
}

function download(file: FileContent): void {
  const { name, blob } = downloadOf(file);
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
