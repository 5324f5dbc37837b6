import { useState } from "react";
import { n, time, usePolled, word, type Alert, type Drift, type Monitor } from "../api";
import { Notice } from "../Notice";

export function Drifts() {
  const monitors = usePolled<{ monitors?: Monitor[] }>("/api/slipway/v1/monitors?page_size=200");
  const alerts = usePolled<{ alerts?: Alert[] }>("/api/slipway/v1/alerts?page_size=50");
  const [chosen, choose] = useState("");
  const all = monitors.data?.monitors ?? [];
  const name = chosen || all[0]?.name || "";
  return (
    <>
      <Notice error={monitors.error ?? alerts.error} empty={monitors.data && all.length === 0 ? "No monitor yet. Make one with slipway monitor create." : ""} />
      <ul className="alerts">
        {(alerts.data?.alerts ?? []).map((a) => (
          <li key={a.alertId} className={a.state === "ALERT_STATE_OPEN" ? "bad" : "quiet"}>
            <strong>{word(a.state, "ALERT_STATE_")} · {a.threshold?.severity}</strong> {a.monitor}: {a.message} <span className="quiet">{time(a.openTime)}{a.closeTime ? ` – ${time(a.closeTime)}` : ""}</span>
          </li>
        ))}
      </ul>
      {all.length > 0 && <label>Monitor <select value={name} onChange={(e) => choose(e.target.value)}>{all.map((m) => <option key={m.name}>{m.name}</option>)}</select></label>}
      {name && <Heat key={name} monitor={name} />}
    </>
  );
}

/** Heat is columns × windows: the effect as shade, a mark where the decision is "moved", a table for the numbers. */
function Heat({ monitor }: { monitor: string }) {
  const { data, error } = usePolled<{ driftMetrics?: Drift[] }>(`/api/slipway/v1/monitors/${encodeURIComponent(monitor)}/drift-metrics?page_size=1000`);
  const rows = data?.driftMetrics ?? [];
  const windows = [...new Set(rows.map((r) => r.window.start))].sort().slice(-24);
  const columns = [...new Set(rows.map((r) => r.column))].sort();
  const cell = (c: string, w: string) => rows.find((r) => r.column === c && r.window.start === w);
  const latest = rows.filter((r) => r.window.start === windows.at(-1));
  return (
    <>
      <Notice error={error} empty={data && rows.length === 0 ? "Nothing computed yet: set a baseline and refresh." : ""} />
      {windows.length > 0 && (
        <table className="heat">
          <caption>Moved against the baseline (✕), by window</caption>
          <thead><tr><th>Column</th>{windows.map((w) => <th key={w}>{time(w)}</th>)}</tr></thead>
          <tbody>
            {columns.map((c) => (
              <tr key={c}><th scope="row">{c}</th>{windows.map((w) => {
                const d = cell(c, w);
                const shade = d ? Math.min(4, Math.floor((d.effect ?? 0) * 5)) : 0;
                return <td key={w} className={`heat-${shade}`} title={d ? `${d.effectName ?? ""} ${d.effect?.toPrecision(3) ?? ""}, p ${d.pAdjusted?.toPrecision(2) ?? "–"}` : ""}>{d?.drifted ? "✕" : d ? "" : "·"}</td>;
              })}</tr>
            ))}
          </tbody>
        </table>
      )}
      {latest.length > 0 && (
        <table>
          <caption>Newest window, {time(windows.at(-1))}</caption>
          <thead><tr><th>Column</th><th className="number">rows</th><th className="number">statistic</th><th className="number">p adjusted</th><th>effect</th><th>moved</th><th>method</th></tr></thead>
          <tbody>
            {latest.map((d) => (
              <tr key={d.column}><td>{d.column}</td><td className="number">{n(d.nCur)}</td><td className="number">{(d.ksStatistic ?? d.chiSquaredStatistic)?.toPrecision(3) ?? "–"}</td>
                <td className="number">{d.pAdjusted?.toPrecision(2) ?? "–"}</td><td>{d.effectName} {d.effect?.toPrecision(3)}</td><td className={d.drifted ? "bad" : ""}>{d.drifted ? "moved" : d.status}</td><td className="quiet">{d.method}</td></tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}
