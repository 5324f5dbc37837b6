import { useState } from "react";
import { ms, n, time, usePolled, type Inference } from "../api";
import { Notice } from "../Notice";

export function Requests() {
  const [open, setOpen] = useState("");
  const { data, error } = usePolled<{ inferences?: Inference[] }>("/api/slipway/v1/inferences?page_size=200&omit_bodies=true");
  const rows = data?.inferences ?? [];
  return (
    <>
      <Notice error={error} empty={data && rows.length === 0 ? "No request yet." : ""} />
      {rows.length > 0 && <Latency rows={rows} />}
      <table>
        <thead>
          <tr><th>Time</th><th>Endpoint</th><th>Entity</th><th>Status</th><th className="number">ms</th><th className="number">first token</th><th className="number">in</th><th className="number">out</th><th>Language</th><th>Requester</th></tr>
        </thead>
        <tbody>
          {rows.slice(0, 60).map((r) => (
            <tr key={r.requestId} onClick={() => setOpen(r.requestId === open ? "" : r.requestId)} className="pick">
              <td><button className="link" aria-expanded={r.requestId === open}>{time(r.requestTime)}</button></td>
              <td>{r.endpoint}</td><td>{r.servedEntity}</td>
              <td className={r.statusCode === 200 ? "" : "bad"}>{r.statusCode ?? 0}</td>
              <td className="number">{ms(r.executionDurationUs)}</td><td className="number">{ms(r.ttftUs)}</td>
              <td className="number">{n(r.inputTokens)}</td><td className="number">{n(r.outputTokens)}</td>
              <td>{r.lang}</td><td className="quiet">{r.requester}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {open && <Detail id={open} />}
    </>
  );
}

/** Latency draws one dot per request: time on x, the logarithm of the duration on y; failures are squares. */
function Latency({ rows }: { rows: Inference[] }) {
  const t = rows.map((r) => Date.parse(r.requestTime));
  const [first, last] = [Math.min(...t), Math.max(...t)];
  const y = (r: Inference) => 60 - Math.min(56, Math.max(2, 14 * Math.log10(Math.max(1, n(r.executionDurationUs) / 1000))));
  const x = (r: Inference) => 4 + (692 * (Date.parse(r.requestTime) - first)) / Math.max(1, last - first);
  return (
    <figure>
      <svg viewBox="0 0 700 64" role="img" aria-label="Duration of the last requests; the table below has the numbers">
        {[10, 100, 1000].map((v) => <g key={v}><line x1="0" x2="700" y1={60 - 14 * Math.log10(v)} y2={60 - 14 * Math.log10(v)} className="grid" /><text x="2" y={58 - 14 * Math.log10(v)}>{v} ms</text></g>)}
        {rows.map((r) => r.statusCode === 200
          ? <circle key={r.requestId} cx={x(r)} cy={y(r)} r="2" className="series-0" />
          : <rect key={r.requestId} x={x(r) - 2.5} y={y(r) - 2.5} width="5" height="5" className="failure" />)}
      </svg>
      <figcaption className="quiet">The last {rows.length} requests, duration on a logarithmic scale; squares failed.</figcaption>
    </figure>
  );
}

function Detail({ id }: { id: string }) {
  const { data, error } = usePolled<{ inference: Inference }>(`/api/slipway/v1/inferences/${encodeURIComponent(id)}`, 60000);
  const r = data?.inference;
  return (
    <section className="card" aria-live="polite">
      <h2>{id}</h2>
      <Notice error={error} />
      {r && <dl>
        <dt>Model</dt><dd>{r.modelVersion} {r.promptVersion}</dd>
        <dt>Trace</dt><dd><code>{r.traceId}</code></dd>
        {r.errorReason && <><dt>Error</dt><dd className="bad">{r.errorReason}</dd></>}
        <dt>Request</dt><dd><pre>{r.request ? new TextDecoder().decode(Uint8Array.from(atob(r.request), (c) => c.charCodeAt(0))) : "–"}</pre></dd>
        <dt>Answer</dt><dd><pre>{r.responseText || "–"}</pre></dd>
      </dl>}
    </section>
  );
}
