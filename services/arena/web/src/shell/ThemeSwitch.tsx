import { useEffect, useState, type ReactElement } from "react";
import { texts } from "../texts";

const STORED = "steering-arena-colours";
const THEMES = ["system", "light", "dark"] as const;
type Theme = (typeof THEMES)[number];

function stored(): Theme {
  try {
    return THEMES.find((theme) => theme === localStorage.getItem(STORED)) ?? "system";
  } catch {
    return "system";
  }
}

export function ThemeSwitch(): ReactElement {
  const [theme, setTheme] = useState(stored);
  useEffect(() => {
    if (theme === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme;
    try {
      localStorage.setItem(STORED, theme);
    } catch {
      // it lasts as long as the page then
    }
  }, [theme]);
  return (
    <select className="quiet" aria-label={texts.theme.label} value={theme} onChange={(event) => setTheme(event.target.value as Theme)}>
      {THEMES.map((each) => <option key={each} value={each}>{texts.theme[each]}</option>)}
    </select>
  );
}
