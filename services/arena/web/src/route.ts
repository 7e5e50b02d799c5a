// Which view is shown: the part of the address after #, so that links and the history work without the server.
import { useSyncExternalStore } from "react";

export const VIEWS = ["arena", "batch", "space", "tasks", "models", "laboratory", "saved"] as const;
export type View = (typeof VIEWS)[number];
export type Route = { view: View; id: string | null; query: URLSearchParams };

export function routeOf(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [view, id] = path.split("/");
  const known = VIEWS.find((each) => each === view) ?? "arena";
  return { view: known, id: id ? safely(id) : null, query: new URLSearchParams(query) };
}

function safely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function address(view: View, id?: string, query?: Record<string, string>): string {
  const asked = query && Object.keys(query).length ? `?${new URLSearchParams(query)}` : "";
  return `#/${view}${id ? `/${encodeURIComponent(id)}` : ""}${asked}`;
}

export function go(to: string): void {
  window.location.hash = to.replace(/^#/, "");
}

const subscribe = (listener: () => void): (() => void) => {
  window.addEventListener("hashchange", listener);
  return () => window.removeEventListener("hashchange", listener);
};

export function useRoute(): Route {
  return routeOf(useSyncExternalStore(subscribe, () => window.location.hash));
}
