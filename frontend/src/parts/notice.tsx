// A notice in place of content: nothing here, not found, could not be loaded.

import type { ComponentChildren } from "preact";

export interface NoticeProps {
  title: string;
  /** h1 where it is all that the page has to say. */
  heading?: "h1" | "h2";
  children?: ComponentChildren;
}

export function Notice({ title, heading: Heading = "h2", children }: NoticeProps) {
  return (
    <div class="notice">
      <Heading>{title}</Heading>
      {children}
    </div>
  );
}
