import Link from "next/link";
import { redirect } from "next/navigation";

import { auth } from "@/lib/auth";
import { countAll, listProblems, type Problem } from "@/lib/journal";

import { saveProblem } from "./actions";
import { day, Difficulty, Field, Status, Wrong } from "./parts";

type Props = { searchParams: Promise<{ wrong?: string }> };

export default async function Home({ searchParams }: Props) {
  const user = await auth.current();
  if (!user) redirect("/sign-in");
  const [problems, counts] = await Promise.all([listProblems(user), countAll(user)]);
  const { wrong } = await searchParams;
  return (
    <>
      <Counts counts={counts} />
      <div className="columns">
        <section>
          <h1>Problems</h1>
          {problems.length === 0 && <p className="empty">Nothing here yet. What did you practise today?</p>}
          <ul className="problems">
            {problems.map((problem) => (
              <Row key={problem.id} problem={problem} />
            ))}
          </ul>
        </section>
        <aside>
          <NewProblem wrong={wrong} />
        </aside>
      </div>
    </>
  );
}

function Counts({ counts }: { counts: Awaited<ReturnType<typeof countAll>> }) {
  const hours = counts.minutes >= 60 ? `${Math.floor(counts.minutes / 60)} h ${counts.minutes % 60} min` : `${counts.minutes} min`;
  return (
    <dl className="counts">
      <div>
        <dt>Problems</dt>
        <dd>{counts.problems}</dd>
      </div>
      <div>
        <dt>Solved</dt>
        <dd>{counts.solved}</dd>
      </div>
      <div>
        <dt>Attempts</dt>
        <dd>{counts.attempts}</dd>
      </div>
      <div>
        <dt>Time spent</dt>
        <dd>{hours}</dd>
      </div>
    </dl>
  );
}

function Row({ problem }: { problem: Problem }) {
  const [last] = problem.attempts;
  return (
    <li>
      <Link href={`/problems/${problem.id}`}>
        <span className="title">{problem.title}</span>
        <span className="about">
          <Difficulty value={problem.difficulty} />
          {problem.platform && <span>{problem.platform}</span>}
          {problem.tags?.map((tag) => (
            <span key={tag} className="tag">
              {tag}
            </span>
          ))}
        </span>
      </Link>
      <span className="last">
        {last ? (
          <>
            <Status value={last.status} />
            <small>
              {problem.attempts.length === 1 ? "1 attempt" : `${problem.attempts.length} attempts`}, {day(last.createdAt)}
            </small>
          </>
        ) : (
          <small>not tried yet</small>
        )}
      </span>
    </li>
  );
}

function NewProblem({ wrong }: { wrong?: string }) {
  return (
    <form action={saveProblem} className="card">
      <h2>Add a problem</h2>
      <Wrong text={wrong} />
      <Field label="Title">
        <input name="title" required maxLength={200} placeholder="Two Sum" />
      </Field>
      <div className="pair">
        <Field label="Difficulty">
          <select name="difficulty" defaultValue="medium">
            <option value="easy">Easy</option>
            <option value="medium">Medium</option>
            <option value="hard">Hard</option>
          </select>
        </Field>
        <Field label="Platform">
          <input name="platform" maxLength={80} placeholder="LeetCode" />
        </Field>
      </div>
      <Field label="Link">
        <input name="url" type="url" placeholder="https://" />
      </Field>
      <Field label="Tags, with commas between">
        <input name="tags" placeholder="arrays, hash table" />
      </Field>
      <button>Add problem</button>
    </form>
  );
}
