// A unified diff as lines to show, with the words that changed between a removed line and the added one.
import { diffWordsWithSpace, parsePatch } from "diff";

export type Part = { text: string; changed: boolean };
export type Line = { kind: "context" | "added" | "removed"; old: number | null; fresh: number | null; parts: Part[] };
export type FilePatch = { path: string; hunks: { header: string; lines: Line[] }[] };

/** A patch that cannot be read is null: it is then shown as it is. */
export function filesOf(patch: string): FilePatch[] | null {
  try {
    const files = parsePatch(patch).filter((file) => file.hunks.length);
    if (!files.length) return null;
    return files.map((file) => ({
      path: (file.newFileName === "/dev/null" ? file.oldFileName : file.newFileName)?.replace(/^[ab]\//, "") ?? "",
      hunks: file.hunks.map((hunk) => ({
        header: `@@ -${hunk.oldStart},${hunk.oldLines} +${hunk.newStart},${hunk.newLines} @@`,
        lines: paired(numbered(hunk.lines, hunk.oldStart, hunk.newStart)),
      })),
    }));
  } catch {
    return null;
  }
}

function numbered(lines: readonly string[], oldStart: number, newStart: number): Line[] {
  let [old, fresh] = [oldStart, newStart];
  const found: Line[] = [];
  for (const line of lines) {
    const parts = [{ text: line.slice(1), changed: false }];
    if (line.startsWith("+")) found.push({ kind: "added", old: null, fresh: fresh++, parts });
    else if (line.startsWith("-")) found.push({ kind: "removed", old: old++, fresh: null, parts });
    else if (line.startsWith(" ") || line === "") found.push({ kind: "context", old: old++, fresh: fresh++, parts });
  }
  return found;
}

/** Marks the changed words where as many lines were added as removed, one after the other. */
function paired(lines: Line[]): Line[] {
  const found = [...lines];
  for (let start = 0; start < found.length; ) {
    if (found[start]!.kind !== "removed") {
      start++;
      continue;
    }
    let middle = start;
    while (found[middle]?.kind === "removed") middle++;
    let end = middle;
    while (found[end]?.kind === "added") end++;
    const count = middle - start;
    if (end - middle === count && count <= 20) {
      for (let i = 0; i < count; i++) {
        const words = diffWordsWithSpace(textOf(found[start + i]!), textOf(found[middle + i]!));
        found[start + i] = { ...found[start + i]!, parts: side(words, "removed") };
        found[middle + i] = { ...found[middle + i]!, parts: side(words, "added") };
      }
    }
    start = end;
  }
  return found;
}

const textOf = (line: Line): string => line.parts.map((part) => part.text).join("");

const side = (words: { value: string; added?: boolean; removed?: boolean }[], own: "added" | "removed"): Part[] =>
  words.filter((word) => word[own] || !(word.added || word.removed)).map((word) => ({ text: word.value, changed: Boolean(word[own]) }));
