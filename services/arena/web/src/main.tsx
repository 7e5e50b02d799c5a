import { createRoot } from "react-dom/client";
import { App } from "./shell/App";
import "./styles/base.css";
import "./styles/shell.css";

createRoot(document.getElementById("root")!).render(<App />);
