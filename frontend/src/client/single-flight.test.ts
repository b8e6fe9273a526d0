// Tests of the job that never runs twice at once.

import { expect, test } from "vitest";

import { defer, settle } from "../testing/settle";
import { SingleFlight } from "./single-flight";

test("requests during a run cause exactly one more run after it", async () => {
  const first = defer<undefined>();
  let runs = 0;
  const flight = new SingleFlight(() => {
    runs += 1;
    return runs === 1 ? first.promise : Promise.resolve();
  });
  const done = flight.request();
  void flight.request();
  void flight.request();
  expect(runs).toBe(1);
  expect(flight.isRequested).toBe(true);
  first.resolve(undefined);
  await done;
  expect(runs).toBe(2);
  expect(flight.isRequested).toBe(false);
});

test("a request after a run runs again", async () => {
  let runs = 0;
  const flight = new SingleFlight(() => {
    runs += 1;
    return Promise.resolve();
  });
  await flight.request();
  await flight.request();
  await settle();
  expect(runs).toBe(2);
});
