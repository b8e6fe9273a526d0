// An avatar: initials on a colour that stays the same for the same user.

export interface AvatarProps {
  /** The user's id, which decides the colour. */
  user: string;
  name: string;
  size?: "small" | "medium";
}

const colours = 8;

export function Avatar({ user, name, size = "medium" }: AvatarProps) {
  return (
    <span class={`avatar avatar-${size} avatar-colour-${colourOf(user)}`} aria-hidden="true">
      {initialsOf(name)}
    </span>
  );
}

/** 0 to 7. Neighbouring ids get different colours. */
export function colourOf(user: string): number {
  let hash = 7;
  for (const character of user) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 9973;
  return hash % colours;
}

/** The first letters of the first and the last word: "Ada King Lovelace" is AL. */
export function initialsOf(name: string): string {
  const words = name.split(/[\s._-]+/u).filter((word) => word !== "");
  const first = words[0];
  if (first === undefined) return "?";
  const last = words.length > 1 ? words.at(-1) : undefined;
  return [first, last].map((word) => (word === undefined ? "" : firstCharacter(word))).join("");
}

const segmenter = new Intl.Segmenter();

/** A whole character, also where it is made of many code points. */
function firstCharacter(word: string): string {
  const [first] = segmenter.segment(word);
  return (first?.segment ?? "").toLocaleUpperCase();
}
