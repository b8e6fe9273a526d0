// Icons: drawn here, 20 by 20, in the colour of the text. They are decoration: the label is beside them.

import type { ComponentChildren } from "preact";

function Icon({ children }: { children: ComponentChildren }) {
  return (
    <svg
      class="icon"
      viewBox="0 0 20 20"
      width="20"
      height="20"
      fill="none"
      stroke="currentColor"
      stroke-width="1.6"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {children}
    </svg>
  );
}

export const BackIcon = () => (
  <Icon>
    <path d="M12.5 4.5 7 10l5.5 5.5" />
  </Icon>
);

export const CloseIcon = () => (
  <Icon>
    <path d="m5 5 10 10M15 5 5 15" />
  </Icon>
);

export const PlusIcon = () => (
  <Icon>
    <path d="M10 4v12M4 10h12" />
  </Icon>
);

export const SendIcon = () => (
  <Icon>
    <path d="M10 16V4.5M4.8 9.5 10 4.3l5.2 5.2" />
  </Icon>
);

export const DownIcon = () => (
  <Icon>
    <path d="M10 4v11.5M4.8 10.5 10 15.7l5.2-5.2" />
  </Icon>
);

export const PeopleIcon = () => (
  <Icon>
    <circle cx="7.5" cy="7" r="2.8" />
    <path d="M2.3 16.2c.5-2.9 2.5-4.6 5.2-4.6s4.7 1.7 5.2 4.6M13 4.6a2.6 2.6 0 0 1 0 4.9M14.6 12c1.7.6 2.8 2 3.2 4.2" />
  </Icon>
);

export const SunIcon = () => (
  <Icon>
    <circle cx="10" cy="10" r="3.4" />
    <path d="M10 2v1.8M10 16.2V18M2 10h1.8M16.2 10H18M4.3 4.3l1.3 1.3M14.4 14.4l1.3 1.3M15.7 4.3l-1.3 1.3M5.6 14.4l-1.3 1.3" />
  </Icon>
);

export const MoonIcon = () => (
  <Icon>
    <path d="M16.5 11.8A7 7 0 0 1 8.2 3.5a7 7 0 1 0 8.3 8.3Z" />
  </Icon>
);

export const AccountIcon = () => (
  <Icon>
    <circle cx="10" cy="7" r="3.2" />
    <path d="M3.8 16.8c.7-3 3.1-4.8 6.2-4.8s5.5 1.8 6.2 4.8" />
  </Icon>
);

export const SignOutIcon = () => (
  <Icon>
    <path d="M8 3.5H5A1.5 1.5 0 0 0 3.5 5v10A1.5 1.5 0 0 0 5 16.5h3M12.5 13.5 16 10l-3.5-3.5M16 10H7.5" />
  </Icon>
);

export const WarningIcon = () => (
  <Icon>
    <path d="M10 3.2 2.5 16.3h15L10 3.2ZM10 8.2v3.6M10 14.1v.1" />
  </Icon>
);

/** The product's mark: a cord from one jack to another. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="32" height="32" aria-hidden="true" focusable="false">
      <rect class="mark-ground" width="32" height="32" rx="9" />
      <g fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round">
        <circle cx="9.5" cy="9.5" r="3" />
        <circle cx="22.5" cy="22.5" r="3" />
        <path d="M12.5 9.5h4a3 3 0 0 1 3 3v0a3 3 0 0 1-3 3h-1a3.5 3.5 0 0 0-3.5 3.5 3.5 3.5 0 0 0 3.5 3.5h4" />
      </g>
    </svg>
  );
}
