// The button between light and dark.

import { theme, toggleTheme } from "../theme";
import { MoonIcon, SunIcon } from "./icons";

export function ThemeToggle() {
  const label = theme.value === "dark" ? "Use the light theme" : "Use the dark theme";
  return (
    <button
      type="button"
      class="icon-button"
      data-testid="theme-toggle"
      aria-label={label}
      title={label}
      onClick={toggleTheme}
    >
      {theme.value === "dark" ? <SunIcon /> : <MoonIcon />}
    </button>
  );
}
