// The frame of every view: where one is, which model answers, whether the server does.
import { Component, lazy, Suspense, useEffect, useState, useSyncExternalStore, type ComponentType, type ReactElement, type ReactNode } from "react";
import { call, isReachable, onReachable } from "../api/client";
import { currentKey, forgetKey, subscribe } from "../api/key";
import { useAsked } from "../parts/asked";
import { Trouble } from "../parts/parts";
import { address, useRoute, VIEWS, type Route, type View } from "../route";
import { texts } from "../texts";
import { KeyDialog } from "./KeyDialog";
import { Shortcuts, useShortcuts } from "./Shortcuts";
import { ThemeSwitch } from "./ThemeSwitch";

type Shown = ComponentType<{ route: Route }>;
const SHOWN: Partial<Record<View, Shown>> = {
  batch: lazy(() => import("../batch/Batch")),
  space: lazy(() => import("../space/Space")),
  laboratory: lazy(() => import("../laboratory/Laboratory")),
  arena: lazy(() => import("../arena/Arena")),
  saved: lazy(() => import("../saved/Saved")),
  tasks: lazy(() => import("../tasks/Tasks")),
  models: lazy(() => import("../models/Models")),
};
const LISTED = VIEWS.filter((view) => SHOWN[view]);

export function App(): ReactElement {
  const route = useRoute();
  const [listing, setListing] = useState(false);
  useShortcuts(() => setListing(true));
  const view = SHOWN[route.view] ? route.view : LISTED[0]!;
  const View = SHOWN[view]!;
  useEffect(() => {
    document.title = `${texts.views[view]} – ${texts.title}`;
  }, [view]);
  return (
    <>
      <a className="skip" href="#content" onClick={(event) => { event.preventDefault(); document.getElementById("content")?.focus(); }}>{texts.skip}</a>
      <header className="top">
        <h1>{texts.title}</h1>
        <nav aria-label={texts.nav}>
          {LISTED.map((each) => (
            <a key={each} href={address(each)} aria-current={each === view ? "page" : undefined}>{texts.views[each]}</a>
          ))}
        </nav>
        <div className="line">
          <ServerState />
          <KeyButton />
          <ThemeSwitch />
          <button type="button" className="quiet" aria-label={texts.shortcuts.open} title={texts.shortcuts.open} onClick={() => setListing(true)}>?</button>
        </div>
      </header>
      <main id="content" tabIndex={-1}>
        <Guard key={view}>
          <Suspense fallback={<p className="pending">{texts.loading}</p>}><View route={route} /></Suspense>
        </Guard>
      </main>
      <KeyDialog />
      {listing && <Shortcuts close={() => setListing(false)} />}
    </>
  );
}

function ServerState(): ReactElement {
  const reachable = useSyncExternalStore(onReachable, isReachable);
  const { value } = useAsked(() => call("get", "/v1/model"), "server", 5000);
  return (
    <span className={reachable ? "link connected" : "link gone"} role="status">
      <span className="dot" aria-hidden="true" /> {reachable ? (value ? `${value.model}${value.state === "ready" ? "" : ` (${texts.models.states[value.state]})`}` : texts.server.up) : texts.server.down}
    </span>
  );
}

function KeyButton(): ReactElement | null {
  const key = useSyncExternalStore(subscribe, currentKey);
  if (!key) return null;
  return <button type="button" className="quiet" onClick={forgetKey}>{texts.key.forget}</button>;
}

/** One view that breaks leaves the others. */
class Guard extends Component<{ children: ReactNode }, { error: string | null }> {
  override state = { error: null as string | null };
  static getDerivedStateFromError(error: unknown): { error: string } {
    return { error: String(error) };
  }
  override render(): ReactNode {
    if (this.state.error === null) return this.props.children;
    return <Trouble said={`${texts.errors.view} ${this.state.error}`} again={() => this.setState({ error: null })} />;
  }
}
