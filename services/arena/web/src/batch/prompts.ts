// Prompts out of a file that somebody chose: a prompt a line, a JSON list of texts, or JSON lines with "prompt".
import { texts } from "../texts";

export const MOST_BYTES = 2_000_000;

/** Throws an Error with a sentence where the file holds no prompts. */
export function promptsIn(bytes: Uint8Array): string[] {
  if (bytes.length > MOST_BYTES) throw new Error(texts.batch.tooLarge);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error(texts.batch.notText);
  }
  if (text.includes("\0")) throw new Error(texts.batch.notText);
  const found = (listed(text) ?? lines(text)).map((each) => each.trim()).filter(Boolean);
  if (!found.length) throw new Error(texts.batch.noPrompts);
  return found;
}

export const lines = (text: string): string[] => text.split(/\r?\n/).map((line) => line.trim()).filter(Boolean);

function listed(text: string): string[] | null {
  const start = text.trimStart()[0];
  if (start === "[") {
    const whole = parsed(text);
    return Array.isArray(whole) ? whole.map(promptOf).filter((each) => each !== null) : null;
  }
  if (start !== "{") return null;
  const rows = lines(text).map((line) => promptOf(parsed(line)));
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
