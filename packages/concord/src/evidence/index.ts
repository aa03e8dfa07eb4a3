/** Evidence of one command as a file, and checking it offline: needs no database and no Concord. */
export {
  EVENT_FIELDS,
  EVIDENCE_FORMAT,
  type Evidence,
  packEvidence,
  unpackEvidence,
} from "./bundle.ts";
export { type EvidenceReport, verifyEvidence } from "./verify.ts";
