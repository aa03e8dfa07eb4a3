/** Owns the shape of AG-UI's events as they are written: those of its own package, which this program does not load. */
import type { Event } from "@ag-ui/core";

type Written<E> = E extends { readonly type: infer T extends string }
  ? Omit<E, "type"> & { readonly type: `${T}` }
  : never;
/** Source: https://docs.ag-ui.com, protocol 1.0. */
export type AgUiEvent = Written<Event>;
