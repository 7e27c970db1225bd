import type { EdgeReport } from "./edge-reports.ts";

/** 207 octets each as stored: 1,000 keep a report at half of what one DynamoDB item holds (400 KB). */
const MAX_CERTIFICATES = 1_000;
const MAX_UNREADABLE = 200;
const MAX_PROBLEMS = 200;

/**
 * A report that a store can take, however many certificates an edge has loaded: one that is refused would show a working
 * edge as `lost`. Certificates with a problem come first; `omitted` counts what is left out.
 */
export function boundedReport(report: Omit<EdgeReport, "omitted">): EdgeReport {
  const [troubled, well] = [true, false].map((hasProblem) =>
    report.certificates.filter(({ problem }) => (problem !== null) === hasProblem),
  );
  const certificates = [...(troubled ?? []), ...(well ?? [])].slice(0, MAX_CERTIFICATES);
  const unreadable = report.unreadable.slice(0, MAX_UNREADABLE);
  const certificateProblems = report.certificateProblems.slice(0, MAX_PROBLEMS);
  const given = report.certificates.length + report.unreadable.length + report.certificateProblems.length;
  const omitted = given - certificates.length - unreadable.length - certificateProblems.length;
  return { ...report, certificates, certificateProblems, unreadable, omitted };
}
