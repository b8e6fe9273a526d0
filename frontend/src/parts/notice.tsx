// A notice in place of content: nothing here, not found, could not be loaded.

import type { ComponentChildren } from "preact";

export interface NoticeProps {
  title: string;
  children?: ComponentChildren;
}

export function Notice({ title, children }: NoticeProps) {
  return (
    <div class="notice">
      <h2>{title}</h2>
      {children}
    </div>
  );
}
