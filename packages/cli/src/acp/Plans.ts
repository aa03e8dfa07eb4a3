/** Owns an agent's plan as the Agent Client Protocol shows it: the whole of it at every step. */
import type { PlanEntry, SessionUpdate } from "@agentclientprotocol/sdk";
import type { SessionEvent } from "@concert/sdk";

interface Step {
  readonly stepId: string;
  readonly content: string;
  status: PlanEntry["status"];
}

const STEPS_MAX = 200;

export class Plans {
  #steps: Step[] = [];

  forget(): void {
    this.#steps = [];
  }

  updatesOf(event: SessionEvent): readonly SessionUpdate[] {
    switch (event.type) {
      case "plan.created":
      case "plan.revised":
        this.#steps = stepsOf(event.steps);
        break;
      case "plan.step_started":
        this.#move(event.stepId, event.title, "in_progress");
        break;
      case "plan.step_completed":
        this.#move(event.stepId, event.title, "completed");
        break;
      default:
        return [];
    }
    const entries = this.#steps.map(
      ({ content, status }): PlanEntry => ({ content, status, priority: "medium" }),
    );
    return [{ sessionUpdate: "plan", entries }];
  }

  #move(stepId: string, title: string | undefined, status: PlanEntry["status"]): void {
    const step = this.#steps.find((one) => one.stepId === stepId);
    if (step !== undefined) step.status = status;
    else if (this.#steps.length < STEPS_MAX) {
      this.#steps.push({ stepId, content: title ?? stepId, status });
    }
  }
}

/** Steps are as their agent wrote them: words, or objects with an id and a title. */
function stepsOf(steps: unknown): Step[] {
  if (!Array.isArray(steps)) return [];
  return steps.slice(0, STEPS_MAX).map((step: unknown, index): Step => {
    const fields = (typeof step === "object" && step !== null ? step : {}) as Readonly<
      Record<string, unknown>
    >;
    const stepId = fields["step_id"] ?? fields["stepId"] ?? fields["id"] ?? index;
    const words = fields["title"] ?? fields["content"] ?? fields["description"] ?? step;
    return {
      stepId: String(stepId),
      content: typeof words === "string" ? words : JSON.stringify(words),
      status: "pending",
    };
  });
}
