import { usePolled, word, type Config, type Endpoint } from "../api";
import { Notice } from "../Notice";

export function Endpoints() {
  const { data, error } = usePolled<{ endpoints?: Endpoint[] }>("/api/slipway/v1/endpoints?page_size=200");
  const all = data?.endpoints ?? [];
  return (
    <>
      <Notice error={error} empty={data && all.length === 0 ? "Nothing serves yet. Deploy something with slipway endpoint deploy." : ""} />
      <div className="cards">
        {all.map((e) => (
          <section key={e.name} className="card">
            <h2>{e.name} <span className={e.ready === "READINESS_READY" ? "good" : "bad"}>{word(e.ready, "READINESS_")}</span></h2>
            {e.updateMessage && <p className="bad">{e.updateMessage}</p>}
            {e.activeConfig && <Split config={e.activeConfig} />}
            {e.pendingConfig && <><h3>coming up</h3><Split config={e.pendingConfig} /></>}
          </section>
        ))}
      </div>
    </>
  );
}

/** Split draws the shares as one bar and lists what is behind each. */
function Split({ config }: { config: Config }) {
  const share = (name: string) => config.routes?.find((r) => r.servedEntity === name)?.trafficPercentage ?? 0;
  const states = config.states ?? [];
  return (
    <>
      <svg className="split" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label={states.map((s) => `${s.servedEntity} ${share(s.servedEntity)} %`).join(", ")}>
        {states.map((s, i) => (
          <rect key={s.servedEntity} className={`series-${i % 5}`} x={states.slice(0, i).reduce((x, b) => x + share(b.servedEntity), 0)} y="0" width={share(s.servedEntity)} height="6" />
        ))}
      </svg>
      <table>
        <tbody>
          {states.map((s, i) => (
            <tr key={s.servedEntity}>
              <td><span className={`dot series-${i % 5}`} aria-hidden="true" />{s.servedEntity}</td>
              <td className="number">{share(s.servedEntity)} %</td>
              <td>{word(s.deployment, "DEPLOYMENT_")}</td>
              <td className="quiet">{[s.resolvedPrompt, s.resolvedModel].filter(Boolean).join(" · ")} {s.message}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
