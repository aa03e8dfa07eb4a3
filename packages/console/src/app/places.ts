/** Owns which pages a person is offered: those of which they may at least read. Pure. */
import { type Permission, rolesAllow } from "@concert/sdk";
import { PLACES, type Place } from "./use-route.ts";

export const PLACE_TITLES: Readonly<Record<Place, string>> = {
  inbox: "Inbox",
  questions: "Questions",
  automations: "Automations",
  incidents: "Incidents",
  credits: "Credits",
  members: "Members",
};

const NEEDS: Readonly<Record<Place, Permission>> = {
  inbox: "automation:read",
  questions: "session:read",
  automations: "automation:read",
  incidents: "session:read",
  credits: "billing:read",
  members: "member:read",
};

export function placesFor(roles: readonly string[]): readonly Place[] {
  return PLACES.filter((place) => rolesAllow(roles, NEEDS[place]));
}
