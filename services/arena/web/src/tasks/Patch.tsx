import { memo, type ReactElement } from "react";
import { filesOf } from "./patch";

const SIGN = { context: " ", added: "+", removed: "−" } as const;

/** A patch with its lines and words marked; as it is, where it cannot be read. */
export const Patch = memo(function Patch({ patch }: { patch: string }): ReactElement {
  const files = filesOf(patch);
  if (!files) return <pre className="code" tabIndex={0}>{patch}</pre>;
  return (
    <div className="patch">
      {files.map((file) => (
        <figure key={file.path}>
          <figcaption>{file.path}</figcaption>
          <div className="scroll" tabIndex={0} role="region" aria-label={file.path}>
            <table>
              <tbody>
                {file.hunks.map((hunk) => [
                  <tr key={hunk.header} className="hunk"><td colSpan={4}>{hunk.header}</td></tr>,
                  ...hunk.lines.map((line, i) => (
                    <tr key={`${hunk.header}-${i}`} className={line.kind}>
                      <td className="number">{line.old}</td>
                      <td className="number">{line.fresh}</td>
                      <td className="sign">{SIGN[line.kind]}</td>
                      <td className="source">
                        {line.parts.map((part, j) => (part.changed ? <mark key={j}>{part.text}</mark> : part.text))}
                      </td>
                    </tr>
                  )),
                ])}
              </tbody>
            </table>
          </div>
        </figure>
      ))}
    </div>
  );
});
