// Decoding: from JSON of unknown shape to a typed value, or an error that says where it differs.

export class DecodeError extends Error {
  override readonly name = "DecodeError";
}

export type Decoder<T> = (value: unknown, path?: string) => T;

export type Fields = Readonly<Record<string, unknown>>;

export function decodeObject(value: unknown, path = "value"): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw mismatch(path, "an object", value);
  }
  return value as Fields;
}

export function decodeString(value: unknown, path = "value"): string {
  if (typeof value !== "string") throw mismatch(path, "a string", value);
  return value;
}

export function decodeInteger(value: unknown, path = "value"): number {
  if (!Number.isSafeInteger(value)) throw mismatch(path, "a whole number", value);
  return value as number;
}

export function decodeBoolean(value: unknown, path = "value"): boolean {
  if (typeof value !== "boolean") throw mismatch(path, "true or false", value);
  return value;
}

export function decodeList<T>(value: unknown, item: Decoder<T>, path = "value"): T[] {
  if (!Array.isArray(value)) throw mismatch(path, "a list", value);
  return value.map((element: unknown, index) => item(element, `${path}[${index}]`));
}

export function decodeNullable<T>(value: unknown, inner: Decoder<T>, path = "value"): T | null {
  return value === null || value === undefined ? null : inner(value, path);
}

function mismatch(path: string, expected: string, got: unknown): DecodeError {
  const kind = got === null ? "null" : Array.isArray(got) ? "a list" : typeof got;
  return new DecodeError(`${path}: got ${kind}, expected ${expected}.`);
}
