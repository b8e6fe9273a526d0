// A dialog over the page. The browser's own <dialog> keeps the focus inside, closes on Escape and
// returns the focus to where it was.

import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";

import { CloseIcon } from "./icons";

export interface DialogProps {
  title: string;
  /** In the middle, or as a drawer from the side. */
  place: "middle" | "side";
  onClose: () => void;
  children: ComponentChildren;
}

/** Open as long as it is rendered. */
export function Dialog({ title, place, onClose, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const titleId = useId();

  // Before the next key is pressed: a layout effect runs with the rendering, an effect after the paint.
  useLayoutEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);

  return (
    <dialog
      ref={ref}
      class={`dialog dialog-${place}`}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      // Browsers close it themselves when Escape is pressed twice. The event comes late: that of a
      // dialog which is gone must not close one that was opened since.
      onClose={() => {
        if (ref.current !== null) onClose();
      }}
      onClick={(event) => {
        // The backdrop counts as the dialog itself; what is inside is inside .dialog-body.
        if (event.target === event.currentTarget) onClose();
      }}
    >
      <div class="dialog-body">
        <header class="dialog-head">
          <h2 id={titleId}>{title}</h2>
          <button type="button" class="icon-button" aria-label="Close" title="Close" onClick={onClose}>
            <CloseIcon />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
