/** Carries what ids stand for to the tool calls, and to them alone: nothing else is drawn again for it. */
import { createContext, useContext } from "react";
import type { Subjects } from "./tool-summary.ts";

export const SubjectsContext = createContext<Subjects>(new Map());

export function useSubjects(): Subjects {
  return useContext(SubjectsContext);
}
