// A text field with its label, a hint, and an error that is tied to it.

import type { Ref } from "preact";
import { useId } from "preact/hooks";

export interface FieldProps {
  label: string;
  name: string;
  value: string;
  onInput: (value: string) => void;
  type?: "text" | "password";
  autocomplete?: string;
  hint?: string;
  error?: string | null;
  isRequired?: boolean;
  inputRef?: Ref<HTMLInputElement>;
  testId: string;
}

export function Field(props: FieldProps) {
  const { label, name, value, onInput, type = "text", autocomplete = "off", hint, error, testId } = props;
  const id = useId();
  const hintId = `${id}-hint`;
  const errorId = `${id}-error`;
  const describedBy = [hint === undefined ? null : hintId, error ? errorId : null].filter((it) => it !== null);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        ref={props.inputRef ?? null}
        name={name}
        type={type}
        value={value}
        autocomplete={autocomplete}
        autocapitalize="none"
        spellcheck={false}
        required={props.isRequired ?? false}
        aria-invalid={error ? true : undefined}
        aria-describedby={describedBy.length > 0 ? describedBy.join(" ") : undefined}
        data-testid={testId}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      {hint !== undefined && (
        <p class="field-hint" id={hintId}>
          {hint}
        </p>
      )}
      {error && (
        <p class="field-error" id={errorId}>
          {error}
        </p>
      )}
    </div>
  );
}
