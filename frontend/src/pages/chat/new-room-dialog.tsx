// The dialog that makes a room.

import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";

import { ApiError } from "../../client/http";
import { countCharacters } from "../../client/message";
import { maxRoomDescriptionCharacters, maxRoomNameCharacters } from "../../client/room";
import { Dialog } from "../../parts/dialog";
import { Field } from "../../parts/field";
import { useChat } from "./chat-context";
import { navigate, roomHref } from "./route";

export function NewRoomDialog({ onClose }: { onClose: () => void }) {
  const { chat } = useChat();
  const name = useSignal("");
  const description = useSignal("");
  const nameProblem = useSignal<string | null>(null);
  const descriptionProblem = useSignal<string | null>(null);
  const isBusy = useSignal(false);
  const nameRef = useRef<HTMLInputElement>(null);

  useLayoutEffect(() => nameRef.current?.focus(), []);

  const submit = async (): Promise<void> => {
    if (isBusy.value) return;
    nameProblem.value = checkName(name.value);
    descriptionProblem.value = checkDescription(description.value);
    if (nameProblem.value !== null) return nameRef.current?.focus();
    if (descriptionProblem.value !== null) return;
    isBusy.value = true;
    try {
      const room = await chat.directory.create({
        name: name.value.trim(),
        description: description.value.trim(),
      });
      onClose();
      navigate(roomHref(room.slug));
    } catch (error) {
      nameProblem.value = error instanceof ApiError ? error.message : "Something went wrong. Try again.";
      nameRef.current?.focus();
    } finally {
      isBusy.value = false;
    }
  };

  return (
    <Dialog title="New room" place="middle" onClose={onClose}>
      <form
        class="dialog-form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <Field
          label="Name"
          name="name"
          hint="Short, and about one thing: “Design review”."
          isRequired
          value={name.value}
          onInput={(value) => {
            name.value = value;
          }}
          error={nameProblem.value}
          inputRef={nameRef}
          testId="new-room-name"
        />
        <Field
          label="What it is about (optional)"
          name="description"
          value={description.value}
          onInput={(value) => {
            description.value = value;
          }}
          error={descriptionProblem.value}
          testId="new-room-description"
        />
        <div class="dialog-actions">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button
            type="submit"
            class="button button-primary"
            aria-disabled={isBusy.value}
            data-testid="new-room-submit"
          >
            {isBusy.value ? "Making the room…" : "Make the room"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function checkName(name: string): string | null {
  const characters = countCharacters(name.trim());
  if (characters === 0) return "Give the room a name.";
  return characters > maxRoomNameCharacters
    ? `The name has ${characters} characters; at most ${maxRoomNameCharacters} fit.`
    : null;
}

function checkDescription(description: string): string | null {
  const characters = countCharacters(description.trim());
  return characters > maxRoomDescriptionCharacters
    ? `This has ${characters} characters; at most ${maxRoomDescriptionCharacters} fit.`
    : null;
}
