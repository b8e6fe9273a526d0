// A user: a Django account, as the API shows it.

import { decodeInteger, decodeObject, decodeString } from "./decode";

export interface User {
  readonly id: number;
  readonly username: string;
  readonly name: string;
}

export function decodeUser(value: unknown, path = "user"): User {
  const fields = decodeObject(value, path);
  const username = decodeString(fields["username"], `${path}.username`);
  return {
    id: decodeInteger(fields["id"], `${path}.id`),
    username,
    // An account without a display name goes by its user name.
    name: decodeString(fields["name"], `${path}.name`).trim() || username,
  };
}
