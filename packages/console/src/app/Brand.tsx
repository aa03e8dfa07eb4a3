/** The name on the door. */
import { Logo } from "../ui/Logo.tsx";
import classes from "./app.module.css";

export function Brand() {
  return (
    <div className={classes["brand"]}>
      <Logo size={26} />
      <span>Concert</span>
    </div>
  );
}
