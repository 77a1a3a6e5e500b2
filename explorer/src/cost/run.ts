/** What the runs of the open operations cost, and what the server foresaw. Only the last run of each tab is kept. */
import { useSyncExternalStore } from "react";

/** A way to read the rows of some keys, with its price in seconds. */
export interface Way {
  way: string;
  report: string;
  calls: number;
  rows: number;
  price: number;
}

interface Subject {
  report: string;
  type: string;
  parameters: Record<string, unknown>;
  from?: string;
  until?: string;
  agent?: string;
  way: string;
  fields: string[];
  rows: number;
  seconds: number;
  rejected: Way[];
}

/** A call that was made, as `extensions.trace` shows it. */
export interface Call extends Subject {
  keys: number;
  start: number;
  waited: number;
  requests: number;
  bytes: number;
  cache: string;
  price: number;
  error?: string;
}

/** Calls that are foreseen, as `extensions.explain` shows them. */
export interface PlannedCalls extends Subject {
  calls: number;
  held: number;
}

export interface Plan {
  calls: number;
  fewest: number;
  most: number;
  depends: boolean;
  held: number;
  rows: number;
  seconds: number;
  plan: PlannedCalls[];
}

export interface Reading {
  report: string;
  from?: string;
  to?: string;
  readAt: string;
}

export interface Problem {
  message: string;
  locations?: readonly { line: number; column: number }[];
  path?: readonly (string | number)[];
  extensions?: Record<string, unknown>;
}

/** The extensions of an answer that the page shows in words. */
export interface Facts {
  trace?: Call[];
  freshness?: Reading[];
  stale?: { report: string; since: string; fields: string[] }[];
  complexity?: Record<string, { found: number; most: number }>;
  explain?: Plan;
}

/** The last run of an operation. `status` is 0 if no answer came; `events` counts those of a subscription. */
export interface Run extends Omit<Facts, "explain"> {
  status: number;
  milliseconds: number;
  bytes: number;
  at: number;
  events: number;
  problems: readonly Problem[];
}

/** The cost of the operation in a tab: its last run, and the plan that was asked for before that. */
export interface Cost {
  run?: Run;
  plan?: Plan;
  planning?: boolean;
  problems?: readonly Problem[];
}

const NOTHING: Cost = {};
const costs = new Map<string, Cost>();
const listeners = new Set<() => void>();
let front = "";

/** Say which tab is in front: what runs belongs to it. */
export function bringToFront(tab: string): void {
  front = tab;
}

export function frontTab(): string {
  return front;
}

export function note(tab: string, changes: Cost): void {
  costs.set(tab, { ...costs.get(tab), ...changes });
  listeners.forEach((listener) => listener());
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Return the cost of the operation in a tab. */
export const useCost = (tab: string | undefined): Cost =>
  useSyncExternalStore(subscribe, () => (tab === undefined ? NOTHING : (costs.get(tab) ?? NOTHING)));
