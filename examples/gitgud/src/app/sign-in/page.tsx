import { enter } from "../actions";
import { Field } from "../parts";

export default function SignInPage() {
  return (
    <form action={enter} className="card door">
      <h1>Keep a journal of what you practise</h1>
      <p>Every problem, every attempt, and what you learned from it.</p>
      <Field label="Email">
        <input name="email" type="email" required autoFocus placeholder="you@example.com" />
      </Field>
      <button>Sign in</button>
    </form>
  );
}
