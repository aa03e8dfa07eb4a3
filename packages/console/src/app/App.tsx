/** The console: signs people in, then shows the shell. */
import { MantineProvider } from "@mantine/core";
import { SignInView } from "../features/sign-in/SignInView.tsx";
import { useSignIn } from "../features/sign-in/use-sign-in.ts";
import { GatewayContext } from "../lib/use-gateway.ts";
import { ConsoleShell } from "./ConsoleShell.tsx";
import { theme } from "./theme.ts";

export function App() {
  const { signIn, lookAgain, useToken, continueAsDeveloper, signOut } = useSignIn();
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto">
      {signIn.status === "signed_in" ? (
        <GatewayContext value={signIn.gateway}>
          <ConsoleShell onSignOut={signOut} />
        </GatewayContext>
      ) : (
        <SignInView
          signIn={signIn}
          onRetry={lookAgain}
          onToken={useToken}
          onDeveloper={continueAsDeveloper}
        />
      )}
    </MantineProvider>
  );
}
