/** Owns how a failed generation looks to a caller: the codes of wire §5, nothing of the provider's own words. */
import { ApiError } from "@concert/service-kit";
import { ProviderError } from "../providers/provider.ts";

/** 429 `rate_limited` or 502 `provider_failed` for a provider's failure; anything else is left as it is. */
export function asApiError(error: unknown): unknown {
  if (!(error instanceof ProviderError)) return error;
  const details = {
    retryable: error.isRetryable,
    ...(error.retryAfterSeconds === undefined
      ? {}
      : { retry_after_seconds: error.retryAfterSeconds }),
    ...(error.upstreamStatus === undefined ? {} : { provider_status: error.upstreamStatus }),
  };
  return error.kind === "rate_limited"
    ? new ApiError(429, "rate_limited", error.message, details)
    : new ApiError(502, "provider_failed", error.message, details);
}

/** The seconds of `details.retry_after_seconds`, for the Retry-After header. */
export function retryAfterOf(error: unknown): number | undefined {
  if (!(error instanceof ApiError)) return undefined;
  const { details } = error;
  if (typeof details !== "object" || details === null) return undefined;
  if (!("retry_after_seconds" in details)) return undefined;
  return typeof details.retry_after_seconds === "number" ? details.retry_after_seconds : undefined;
}

export function unknownModel(id: string, known: readonly string[]): ApiError {
  return new ApiError(
    404,
    "unknown_model",
    `There is no model "${id}"; there are: ${known.join(", ")}.`,
  );
}

export function tooBusy(limit: number): ApiError {
  return new ApiError(
    429,
    "rate_limited",
    `${limit} generations are running already; try again shortly.`,
    {
      retryable: true,
      retry_after_seconds: 1,
    },
  );
}
