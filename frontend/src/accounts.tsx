// The account pages, which Django renders: their styles, and the theme that the page shares with them.

import "./styles/accounts-main.css";

import { render } from "preact";

import { ThemeToggle } from "./parts/theme-toggle";
import { applyTheme } from "./theme";

applyTheme();

const corner = document.querySelector("[data-theme-toggle]");
if (corner !== null) render(<ThemeToggle />, corner);
