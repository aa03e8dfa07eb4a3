/** The first page: one click where the gateway allows it, a token where it does not. */
import { Button, Loader, PasswordInput } from "@mantine/core";
import { IconArrowRight } from "@tabler/icons-react";
import { type FormEvent, useState } from "react";
import { Failure } from "../../ui/Failure.tsx";
import { Logo } from "../../ui/Logo.tsx";
import classes from "./sign-in.module.css";
import type { SignIn } from "./use-sign-in.ts";

interface Props {
  readonly signIn: SignIn;
  readonly onRetry: () => void;
  readonly onToken: (token: string) => void;
  readonly onDeveloper: () => void;
}

export function SignInView(props: Props) {
  return (
    <main className={classes["page"]}>
      <section className={classes["card"]} aria-label="Sign in">
        <Logo size={44} />
        <h1>Concert</h1>
        <p className={classes["tagline"]}>
          Agents that do real work, with a record of who asked, what was allowed and what happened.
        </p>
        <Ways {...props} />
      </section>
    </main>
  );
}

function Ways({ signIn, onRetry, onToken, onDeveloper }: Props) {
  switch (signIn.status) {
    case "looking":
    case "signed_in":
      return (
        <p className={classes["looking"]} role="status">
          <Loader size="xs" /> Looking for the gateway…
        </p>
      );
    case "unreachable":
      return <Failure title="No connection" reason={signIn.reason} onRetry={onRetry} />;
    case "offered":
      return (
        <>
          <Button
            fullWidth
            size="md"
            rightSection={<IconArrowRight size={16} />}
            data-testid="sign-in-dev"
            onClick={onDeveloper}
          >
            Continue as developer
          </Button>
          <p className={classes["hint"]}>
            Development gateway: you are {signIn.identity.email || signIn.identity.userId}.
          </p>
        </>
      );
    case "needs_token":
      return <TokenForm refusal={signIn.refusal} onToken={onToken} />;
  }
}

function TokenForm({ refusal, onToken }: { refusal: string | null; onToken: Props["onToken"] }) {
  const [token, setToken] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (token.trim() !== "") onToken(token.trim());
  };
  return (
    <form className={classes["form"]} onSubmit={submit}>
      <PasswordInput
        label="Access token"
        description="From your identity provider. It stays in this tab."
        value={token}
        error={refusal}
        autoFocus
        autoComplete="off"
        data-testid="token"
        onChange={(event) => setToken(event.currentTarget.value)}
      />
      <Button
        type="submit"
        fullWidth
        size="md"
        disabled={token.trim() === ""}
        data-testid="sign-in"
      >
        Sign in
      </Button>
    </form>
  );
}
