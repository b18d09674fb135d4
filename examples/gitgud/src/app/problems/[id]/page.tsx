import Link from "next/link";
import { notFound, redirect } from "next/navigation";

import { auth } from "@/lib/auth";
import { isId } from "@/lib/input";
import { findProblem, type Attempt } from "@/lib/journal";

import { saveAttempt } from "../../actions";
import { day, Difficulty, Field, Status, Wrong } from "../../parts";

type Props = { params: Promise<{ id: string }>; searchParams: Promise<{ wrong?: string }> };

export default async function ProblemPage({ params, searchParams }: Props) {
  const user = await auth.current();
  if (!user) redirect("/sign-in");
  const { id } = await params;
  const problem = isId(id) ? await findProblem(user, id) : undefined;
  if (!problem) notFound();
  const { wrong } = await searchParams;
  return (
    <>
      <nav className="back">
        <Link href="/">All problems</Link>
      </nav>
      <div className="columns">
        <section>
          <h1>{problem.title}</h1>
          <p className="about">
            <Difficulty value={problem.difficulty} />
            {problem.url ? <a href={problem.url}>{problem.platform ?? "Link"}</a> : <span>{problem.platform}</span>}
            {problem.tags?.map((tag) => (
              <span key={tag} className="tag">
                {tag}
              </span>
            ))}
          </p>
          {problem.description && <p>{problem.description}</p>}
          <h2>Attempts</h2>
          {problem.attempts.length === 0 && <p className="empty">None yet.</p>}
          <ol className="attempts">
            {problem.attempts.map((attempt) => (
              <Entry key={attempt.id} attempt={attempt} />
            ))}
          </ol>
        </section>
        <aside>
          <NewAttempt problemId={problem.id} wrong={wrong} />
        </aside>
      </div>
    </>
  );
}

function Entry({ attempt }: { attempt: Attempt }) {
  return (
    <li className={attempt.status}>
      <p className="line">
        <Status value={attempt.status} />
        <small>
          {day(attempt.createdAt)}
          {attempt.timeTaken !== null && `, ${attempt.timeTaken} min`}
        </small>
      </p>
      {attempt.notes && <p>{attempt.notes}</p>}
      {attempt.solutionCode && <pre>{attempt.solutionCode}</pre>}
    </li>
  );
}

function NewAttempt({ problemId, wrong }: { problemId: string; wrong?: string }) {
  return (
    <form action={saveAttempt.bind(null, problemId)} className="card">
      <h2>Add an attempt</h2>
      <Wrong text={wrong} />
      <div className="pair">
        <Field label="How it went">
          <select name="status" defaultValue="solved">
            <option value="solved">Solved</option>
            <option value="partial">Partly</option>
            <option value="failed">Failed</option>
          </select>
        </Field>
        <Field label="Minutes">
          <input name="timeTaken" type="number" min={0} max={10000} />
        </Field>
      </div>
      <Field label="Notes">
        <textarea name="notes" rows={3} />
      </Field>
      <Field label="Solution">
        <textarea name="solutionCode" rows={6} className="code" spellCheck={false} />
      </Field>
      <button>Add attempt</button>
    </form>
  );
}
