import { n, time, usePolled, type Audit, type RequestLog } from "../api";
import { Notice } from "../Notice";

/** Log shows the invariant: what was admitted is durable or still on its way. */
export function Log() {
  const log = usePolled<RequestLog>("/api/slipway/v1/request-log", 2000);
  const audit = usePolled<Audit>("/api/slipway/v1/inferences:audit", 5000);
  const l = log.data, a = audit.data;
  const complete = l ? n(l.admitted) === n(l.acknowledged) + n(l.pending) + n(l.inFlight) : undefined;
  return (
    <>
      <Notice error={log.error ?? audit.error} />
      {l && <>
        <p className={`equation ${complete ? "good" : "bad"}`}>
          admitted {n(l.admitted)} = durable {n(l.acknowledged)} + pending {n(l.pending)} + running {n(l.inFlight)} {complete ? "✓" : "✕"}
        </p>
        {n(l.refused) > 0 && <p className="bad">{n(l.refused)} requests were refused because the log was full.</p>}
        <p className="quiet">{(n(l.diskBytes) / 2 ** 20).toFixed(1)} MiB of write-ahead log on disk.</p>
      </>}
      {a && <dl>
        <dt>Delta table</dt><dd><code>{a.tableUri}</code></dd>
        <dt>Version</dt><dd>{n(a.tableVersion)}, last commit {time(a.lastCommitTime)}</dd>
        <dt>Size</dt><dd>{n(a.rows)} rows in {n(a.files)} files, {(n(a.sizeBytes) / 2 ** 20).toFixed(1)} MiB</dd>
      </dl>}
    </>
  );
}
