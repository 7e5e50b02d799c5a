// Server-sent events over fetch, which unlike EventSource can send a key: numbered, and taken up again where
// they broke off.
import { authorised, Refusal, sentenceOf } from "./client";
import { NoKey } from "./key";

export type Frame = { id: number | null; event: string; data: string };
export type Link = "connecting" | "connected" | "reconnecting" | "gone" | "over";

/** Cuts a stream of text into frames, however it arrives. */
export class Frames {
  private rest = "";

  push(text: string): Frame[] {
    // A carriage return at the very end may be half of a line's end.
    const all = this.rest + text;
    const whole = all.endsWith("\r") ? all.slice(0, -1) : all;
    const blocks = whole.replace(/\r\n?/g, "\n").split("\n\n");
    this.rest = blocks.pop()! + all.slice(whole.length);
    return blocks.map(frameOf).filter((frame): frame is Frame => frame !== null);
  }
}

function frameOf(block: string): Frame | null {
  let id: number | null = null;
  let event = "message";
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const at = line.indexOf(":");
    if (at === 0) continue; // a comment
    const field = at < 0 ? line : line.slice(0, at);
    const value = at < 0 ? "" : line.slice(at + 1).replace(/^ /, "");
    if (field === "id" && /^\d+$/.test(value)) id = Number(value);
    else if (field === "event") event = value;
    else if (field === "data") data.push(value);
  }
  return data.length ? { id, event, data: data.join("\n") } : null;
}

export type Following = {
  path: string;
  since?: number;
  onFrames: (frames: Frame[]) => void;
  onLink: (link: Link, why?: string) => void;
  /** Whether a frame is the last that ever comes. */
  ends: (frame: Frame) => boolean;
  signal: AbortSignal;
};

const WAITS_MS = [300, 700, 1500, 3000, 5000, 5000, 5000, 5000, 5000, 5000];

/** Follows a stream to its end; a number is handed on once only. Gives up after about 40 s without an answer. */
export async function follow({ path, since = 0, onFrames, onLink, ends, signal }: Following): Promise<void> {
  let last = since;
  let failures = 0;
  onLink("connecting");
  while (!signal.aborted) {
    let why = "";
    try {
      const answer = await authorised(
        new Request(new URL(path, window.location.origin), {
          headers: { Accept: "text/event-stream", "Last-Event-ID": String(last) },
          signal,
        }),
      );
      if (answer.status === 204) return onLink("over");
      if (!answer.ok || !answer.body) {
        const told = sentenceOf(await answer.json().catch(() => null), answer.status);
        if (answer.status < 500 && answer.status !== 429) return onLink("gone", told);
        throw new Refusal(told, answer.status);
      }
      failures = 0;
      onLink("connected");
      const cut = new Frames();
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (signal.aborted) return;
        if (done) break;
        const fresh = cut.push(value).filter((frame) => frame.id === null || frame.id > last);
        if (!fresh.length) continue;
        for (const frame of fresh) if (frame.id !== null) last = frame.id;
        onFrames(fresh);
        if (fresh.some(ends)) {
          void reader.cancel();
          return onLink("over");
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof NoKey) return onLink("gone");
      why = error instanceof Refusal ? error.message : "";
    }
    const wait = WAITS_MS[failures++];
    if (wait === undefined) return onLink("gone", why);
    onLink("reconnecting", why);
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}
