/** What is in a file, as far as it can be shown: an agent wrote it, so nothing in it runs, loads or leads away. */
import type { FileContent } from "@concert/sdk";
import classes from "./files.module.css";
import { previewOf } from "./files.ts";

export function FilePreview({ file }: { readonly file: FileContent }) {
  const preview = previewOf(file);
  switch (preview.kind) {
    case "text":
      return (
        <>
          <pre className={classes["text"]} data-testid="file-preview" data-kind="text">
            {preview.text === "" ? "(empty)" : preview.text}
          </pre>
          {preview.cut ? (
            <p className={classes["meta"]}>Only the beginning is shown. Download it to read on.</p>
          ) : null}
        </>
      );
    case "image":
      return (
        <img
          className={classes["image"]}
          src={preview.url}
          alt={file.path}
          data-testid="file-preview"
          data-kind="image"
        />
      );
    case "none":
      return (
        <p className={classes["meta"]} data-testid="file-preview" data-kind="none">
          This is neither text nor a picture. Download it to open it with a program of yours.
        </p>
      );
  }
}
