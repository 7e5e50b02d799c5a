// Prompts out of a text that somebody wrote or a file that somebody chose: a prompt a line, prompts of several lines
// with blank lines between them, a JSON list of texts, or JSON lines with "prompt".
import { texts } from "../texts";

export const MOST_BYTES = 2_000_000;
export type Apart = "line" | "blank";

/** Throws an Error with a sentence where the file holds no prompts. */
export function promptsIn(bytes: Uint8Array, apart: Apart): string[] {
  if (bytes.length > MOST_BYTES) throw new Error(texts.batch.tooLarge);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error(texts.batch.notText);
  }
  if (text.includes("\0")) throw new Error(texts.batch.notText);
  const found = written(text, apart);
  if (!found.length) throw new Error(texts.batch.noPrompts);
  return found;
}

export const written = (text: string, apart: Apart): string[] => kept(listed(text) ?? text.replaceAll("\r\n", "\n").split(apart === "line" ? "\n" : /\n[^\S\n]*\n/));

/** Prompts as a text that is read as these again. */
export const asText = (prompts: readonly string[]): string =>
  prompts.some((each) => each.includes("\n")) || /^[[{]/.test(prompts[0] ?? "") ? JSON.stringify(prompts, null, 1) : prompts.join("\n");

const kept = (texts: readonly string[]): string[] => texts.map((each) => each.trim()).filter(Boolean);

function listed(text: string): string[] | null {
  const start = text.trimStart()[0];
  if (start === "[") {
    const whole = parsed(text);
    return Array.isArray(whole) ? whole.map(promptOf).filter((each) => each !== null) : null;
  }
  if (start !== "{") return null;
  const rows = kept(text.split("\n")).map((line) => promptOf(parsed(line)));
  return rows.every((row) => row !== null) ? rows : null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function promptOf(value: unknown): string | null {
  if (typeof value === "string") return value;
  const prompt = value && typeof value === "object" ? (value as { prompt?: unknown }).prompt : null;
  return typeof prompt === "string" ? prompt : null;
}
