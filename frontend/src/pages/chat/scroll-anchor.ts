// Where a scrolled list stays when its content changes: at the newest message for who is there, and
// otherwise at the row that is being read. (The browser's own scroll anchoring is not in Safari.)

/** This near to the end counts as being there. */
const endTolerancePx = 48;

interface Anchor {
  row: HTMLElement;
  top: number;
}

export class ScrollAnchor {
  readonly #scroller: HTMLElement;
  #isAtEnd = true;
  #anchor: Anchor | null = null;

  constructor(scroller: HTMLElement) {
    this.#scroller = scroller;
  }

  get isAtEnd(): boolean {
    return this.#isAtEnd;
  }

  /** The user scrolled: remember what they look at. */
  remember(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    this.#isAtEnd = scrollHeight - clientHeight - scrollTop <= endTolerancePx;
    this.#anchor = this.#isAtEnd ? null : this.#findAnchor(scrollTop);
  }

  goToEnd(): void {
    this.#isAtEnd = true;
    this.restore();
  }

  /** The content or the size changed: go back to what the user looked at. */
  restore(): void {
    if (this.#isAtEnd) {
      this.#scroller.scrollTop = this.#scroller.scrollHeight;
    } else if (this.#anchor !== null && this.#scroller.contains(this.#anchor.row)) {
      const shift = this.#anchor.row.offsetTop - this.#anchor.top;
      if (shift !== 0) this.#scroller.scrollTop += shift;
      this.#anchor.top = this.#anchor.row.offsetTop;
    }
  }

  /** The first row that reaches into view. */
  #findAnchor(scrollTop: number): Anchor | null {
    for (const row of this.#scroller.querySelectorAll<HTMLElement>("[data-testid='message']")) {
      if (row.offsetTop + row.offsetHeight > scrollTop) return { row, top: row.offsetTop };
    }
    return null;
  }
}
