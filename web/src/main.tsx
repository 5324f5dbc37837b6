import { StrictMode, useEffect, useState, type FormEvent } from "react";
import { createRoot } from "react-dom/client";
import { get, token } from "./api";
import { Drifts } from "./pages/Drifts";
import { Endpoints } from "./pages/Endpoints";
import { Log } from "./pages/Log";
import { Requests } from "./pages/Requests";
import "./style.css";

const pages = { endpoints: ["Endpoints", Endpoints], requests: ["Requests", Requests], drift: ["Drift and alerts", Drifts], log: ["Log", Log] } as const;
type Page = keyof typeof pages;
const here = (): Page => (location.hash.slice(2) in pages ? (location.hash.slice(2) as Page) : "endpoints");

function App() {
  const [page, setPage] = useState(here);
  const [inside, setInside] = useState<boolean>();
  useEffect(() => {
    const turn = () => setPage(here());
    const out = () => setInside(false);
    addEventListener("hashchange", turn);
    addEventListener("slipway:signed-out", out);
    get("/api/slipway/v1/principals/me").then(() => setInside(true), () => setInside(false));
    return () => {
      removeEventListener("hashchange", turn);
      removeEventListener("slipway:signed-out", out);
    };
  }, []);
  if (inside === undefined) return null;
  if (!inside) return <SignIn done={() => setInside(true)} />;
  const Content = pages[page][1];
  return (
    <>
      <header>
        <a className="mark" href="#/endpoints">Slipway</a>
        <nav aria-label="Pages">
          {(Object.keys(pages) as Page[]).map((p) => (
            <a key={p} href={`#/${p}`} aria-current={p === page ? "page" : undefined}>{pages[p][0]}</a>
          ))}
        </nav>
        <button onClick={() => { token.set(""); setInside(false); }}>Sign out</button>
      </header>
      <main><h1>{pages[page][0]}</h1><Content /></main>
    </>
  );
}

function SignIn({ done }: { done: () => void }) {
  const [error, setError] = useState("");
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault();
    token.set(String(new FormData(e.currentTarget).get("token") ?? "").trim());
    get("/api/slipway/v1/principals/me").then(done, (err: Error) => { token.set(""); setError(err.message); });
  };
  return (
    <form className="sign-in" onSubmit={submit}>
      <h1>Slipway</h1>
      <label htmlFor="token">Token</label>
      <input id="token" name="token" type="password" autoComplete="off" required autoFocus />
      <p className="hint">The first start left the administrator’s token in <code>admin.token</code> in the data folder. It stays in this tab only.</p>
      {error && <p role="alert" className="bad">{error}</p>}
      <button type="submit">Sign in</button>
    </form>
  );
}

createRoot(document.getElementById("root")!).render(<StrictMode><App /></StrictMode>);
