import type { ReactNode } from "react";

import type { Attempt, Problem } from "@/lib/journal";

const STATUS = { solved: "Solved", partial: "Partly", failed: "Failed" } as const;

export function Difficulty({ value }: { value: Problem["difficulty"] }) {
  return <span className={`chip ${value}`}>{value}</span>;
}

export function Status({ value }: { value: Attempt["status"] }) {
  return <span className={`status ${value}`}>{STATUS[value]}</span>;
}

export function Field({ label, children }: { label: string; children: ReactNode }) {
  return (
    <label className="field">
      <span>{label}</span>
      {children}
    </label>
  );
}

export function Wrong({ text }: { text?: string }) {
  return text ? (
    <p className="wrong" role="alert">
      {text}
    </p>
  ) : null;
}

/** The database keeps UTC. */
export function day(when: Date): string {
  return when.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
}
