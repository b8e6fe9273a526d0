// Times and days as people say them, in the language and time zone of the browser.

import { isSameDay } from "./rows";

const timeFormat = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const fullFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });
const dayFormat = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const dayWithYearFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });
const shortDayFormat = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

export function formatTime(date: Date): string {
  return timeFormat.format(date);
}

export function formatFull(date: Date): string {
  return fullFormat.format(date);
}

export function formatDay(date: Date, now: Date): string {
  if (isSameDay(date, now)) return "Today";
  if (isSameDay(date, dayBefore(now))) return "Yesterday";
  return (date.getFullYear() === now.getFullYear() ? dayFormat : dayWithYearFormat).format(date);
}

/** The time today, the day before that. */
export function formatShort(date: Date, now: Date): string {
  if (isSameDay(date, now)) return formatTime(date);
  return isSameDay(date, dayBefore(now)) ? "Yesterday" : shortDayFormat.format(date);
}

function dayBefore(date: Date): Date {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() - 1);
}
