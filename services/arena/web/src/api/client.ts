// Calls of the API's routes, with the types that are made of its own description.
import { texts } from "../texts";
import { askForKey, currentKey, NoKey } from "./key";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

/** What the server refused, or that it did not answer (status 0), as a sentence for a person. */
export class Refusal extends Error {
  constructor(
    sentence: string,
    readonly status: number,
  ) {
    super(sentence);
  }
}

let reachable = true;
const listeners = new Set<() => void>();
export const onReachable = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};
export const isReachable = (): boolean => reachable;
function note(now: boolean): void {
  if (now === reachable) return;
  reachable = now;
  for (const listener of listeners) listener();
}

/** A request with the key, asked for where the server wants one. Rejects with Refusal where nobody answers. */
export async function authorised(request: Request): Promise<Response> {
  for (;;) {
    const attempt = request.clone();
    const key = currentKey();
    if (key) attempt.headers.set("Authorization", `Bearer ${key}`);
    let answer: Response;
    try {
      answer = await fetch(attempt);
    } catch (error) {
      if (request.signal.aborted) throw error;
      note(false);
      throw new Refusal(texts.errors.unreachable, 0);
    }
    note(true);
    if (answer.status !== 401) return answer;
    if (key !== null && key !== currentKey()) continue; // another request has asked meanwhile
    await askForKey(key !== null);
  }
}

type Method = "get" | "post" | "put" | "delete";
type Paths<M extends Method> = { [P in keyof paths]: paths[P][M] extends { responses: unknown } ? P : never }[keyof paths];
type Json<A> = A extends { content: { "application/json": infer J } } ? J : undefined;
type Answers<O> = O extends { responses: infer R } ? { [S in keyof R & (200 | 201 | 202)]: Json<R[S]> }[keyof R & (200 | 201 | 202)] : never;
type Parameters<O, In extends "path" | "query"> = O extends { parameters: { [K in In]?: infer P } } ? NonNullable<P> : never;
type Sent<O> = O extends { requestBody?: { content: { "application/json": infer B } } } ? B : never;
export type Asking<O> = {
  path?: Parameters<O, "path">;
  query?: Partial<Parameters<O, "query">>;
  body?: Sent<O>;
  /** Bytes in place of a JSON body. */
  file?: Blob;
  signal?: AbortSignal;
};

/** Calls a route of the API: its JSON, undefined where it answers with none. Rejects with Refusal, NoKey. */
export async function call<M extends Method, P extends Paths<M>>(
  method: M,
  path: P,
  asking: Asking<paths[P][M]> = {},
): Promise<Answers<paths[P][M]>> {
  const names = (asking.path ?? {}) as Record<string, string | number>;
  const filled = String(path).replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(names[name])));
  const url = new URL(filled, window.location.origin);
  for (const [name, value] of Object.entries(asking.query ?? {})) if (value != null) url.searchParams.set(name, String(value));
  const headers = new Headers();
  if (asking.file) headers.set("Content-Type", "application/octet-stream");
  else if (asking.body !== undefined) headers.set("Content-Type", "application/json");
  const answer = await authorised(
    new Request(url, {
      method: method.toUpperCase(),
      headers,
      body: asking.file ?? (asking.body === undefined ? null : JSON.stringify(asking.body)),
      ...(asking.signal ? { signal: asking.signal } : {}),
    }),
  );
  const json = /json/.test(answer.headers.get("content-type") ?? "") ? await answer.json().catch(() => null) : undefined;
  if (!answer.ok) throw new Refusal(sentenceOf(json, answer.status), answer.status);
  return json as Answers<paths[P][M]>;
}

/** The sentence in an error's body: a problem's detail, or OpenAI's message. */
export function sentenceOf(body: unknown, status: number): string {
  if (body && typeof body === "object") {
    const { detail, error } = body as { detail?: unknown; error?: { message?: unknown } };
    if (typeof detail === "string") return sentence(detail);
    if (typeof error?.message === "string") return sentence(error.message);
  }
  return texts.errors.status(status);
}

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

export const said = (error: unknown): string =>
  error instanceof Refusal ? error.message : error instanceof NoKey ? texts.errors.noKey : texts.errors.page(String(error));
