// A run as it is told: columns that grow token by token. It is changed in place and says which column has
// changed, because with thousands of tokens a copy for each would cost more than showing them.
import type { Schemas } from "../api/client";

export type Token = Schemas["ShownToken"];
export type RunAnswer = Schemas["RunAnswer"];
export type RunEvent = Schemas["RunEvent"];
export type Ended = Schemas["ColumnEnded"];

export class Column {
  readonly tokens: Token[] = [];
  readonly texts: string[] = [];
  ended: Ended | null = null;
  mostBits = 0;
  furthest = 1e-9;
  /** Changes with every token. */
  version = 0;
  private readonly listeners = new Set<() => void>();

  add(token: Token): void {
    if (token.index !== this.tokens.length) return; // told before
    this.tokens.push(token);
    this.texts.push(token.text);
    this.mostBits = Math.max(this.mostBits, token.divergence ?? 0);
    this.furthest = Math.max(this.furthest, Math.abs(token.projection ?? 0));
    this.version++;
  }

  /** Takes the divergences of tokens that came without. */
  compare(index: number, bits: readonly number[]): void {
    bits.forEach((each, i) => {
      const token = this.tokens[index + i];
      if (token) this.tokens[index + i] = { ...token, divergence: each };
      this.mostBits = Math.max(this.mostBits, each);
    });
    this.version++;
  }

  end(ended: Ended): void {
    this.ended = ended;
    this.version++;
  }

  get text(): string {
    return this.texts.join("");
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  tell(): void {
    for (const listener of this.listeners) listener();
  }
}

export class Run {
  readonly columns: Column[];
  last = 0;

  constructor(answer: Pick<RunAnswer, "columns" | "last_event">) {
    this.columns = answer.columns.map((told) => {
      const column = new Column();
      for (const token of told.tokens) column.add(token);
      if (told.ended) column.end(told.ended);
      return column;
    });
    this.last = answer.last_event;
  }

  /** Takes one event; returns the run's end where it is that. */
  take(event: RunEvent & { seq?: number }): Schemas["RunEnded"] | Schemas["RunFailed"] | null {
    if (event.seq !== undefined) this.last = Math.max(this.last, event.seq);
    if (event.kind === "token") this.columns[event.column]?.add(event);
    else if (event.kind === "divergence") this.columns[event.column]?.compare(event.index, event.bits);
    else if (event.kind === "column_ended") this.columns[event.column]?.end(event);
    else if (event.kind === "run_ended" || event.kind === "run_failed") return event;
    return null;
  }
}

export const endsRun = (kind: string): boolean => kind === "run_ended" || kind === "run_failed";

/** Tells at most so many columns a frame that they have changed, in turns: true while others wait. */
export function inTurns(columns: readonly Column[], most = 3): () => boolean {
  const told = columns.map((column) => column.version);
  let next = 0;
  return () => {
    let left = most;
    for (let i = 0; i < columns.length; i++) {
      const at = (next + i) % columns.length;
      const column = columns[at]!;
      if (column.version === told[at]) continue;
      if (left-- === 0) {
        next = at;
        return true;
      }
      told[at] = column.version;
      column.tell();
    }
    return false;
  };
}

/** Works through what has come within a part of each frame, so that no flood of events keeps the page from
 * being painted. `handle` gets one; `paint` is called once a frame and says whether it has more to do. */
export function queue<T>(handle: (each: T) => void, paint: () => boolean, budgetMs = 6): { push: (all: readonly T[]) => void; stop: () => void } {
  const waiting: T[] = [];
  let at = 0;
  let frame = 0;
  const work = (): void => {
    frame = 0;
    const until = performance.now() + budgetMs;
    while (at < waiting.length && performance.now() < until) handle(waiting[at++]!);
    const more = paint();
    if (at === waiting.length) {
      waiting.length = 0;
      at = 0;
      if (more) frame = requestAnimationFrame(work);
    } else frame = requestAnimationFrame(work);
  };
  return {
    push: (all) => {
      for (const each of all) waiting.push(each);
      if (!frame && waiting.length) frame = requestAnimationFrame(work);
    },
    stop: () => cancelAnimationFrame(frame),
  };
}
