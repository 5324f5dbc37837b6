// The platform's REST API as the pages need it. Shapes follow proto/gen/openapi; int64 comes as text.
import { useEffect, useState } from "react";

const key = "slipway.token";
export const token = {
  get: () => sessionStorage.getItem(key) ?? "",
  set: (t: string) => (t ? sessionStorage.setItem(key, t) : sessionStorage.removeItem(key)),
};

export class Unauthenticated extends Error {}

export async function get<T>(path: string): Promise<T> {
  const answer = await fetch(path, { headers: token.get() ? { Authorization: `Bearer ${token.get()}` } : {} });
  if (answer.status === 401) throw new Unauthenticated("This token opens nothing.");
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.message ?? answer.statusText);
  return body as T;
}

/** Reads a path again and again, every `every` milliseconds, while the page is shown. */
export function usePolled<T>(path: string, every = 4000): { data?: T; error?: Error } {
  const [state, set] = useState<{ data?: T; error?: Error }>({});
  useEffect(() => {
    let alive = true;
    const load = () =>
      get<T>(path).then(
        (data) => alive && set({ data }),
        (error: Error) => {
          if (error instanceof Unauthenticated) dispatchEvent(new Event("slipway:signed-out"));
          if (alive) set((before) => ({ ...before, error }));
        },
      );
    load();
    const timer = setInterval(load, every);
    return () => {
      alive = false;
      clearInterval(timer);
    };
  }, [path, every]);
  return state;
}

export interface ServedEntityState { servedEntity: string; deployment: string; message?: string; resolvedModel?: string; resolvedPrompt?: string }
export interface Config { revision: string; routes?: { servedEntity: string; trafficPercentage?: number }[]; states?: ServedEntityState[] }
export interface Endpoint { name: string; ready: string; configUpdate: string; updateMessage?: string; activeConfig?: Config; pendingConfig?: Config }
export interface Inference {
  requestId: string; requestTime: string; endpoint?: string; servedEntity?: string; statusCode?: number; stream?: boolean; requester?: string;
  executionDurationUs?: string; ttftUs?: string; inputTokens?: string; outputTokens?: string; lang?: string; request?: string; responseText?: string;
  errorReason?: string; traceId?: string; modelVersion?: string; promptVersion?: string;
}
export interface Monitor { name: string; endpoint: string; granularity?: string; baselineRows?: string; lastRefreshTime?: string; lastError?: string }
export interface Drift {
  window: { start: string; end: string }; column: string; dataType: string; nCur?: string; pAdjusted?: number; effectName?: string; effect?: number;
  drifted?: boolean; status?: string; method?: string; jsDistance?: number; psi?: number; ksStatistic?: number; chiSquaredStatistic?: number;
}
export interface Alert { alertId: string; monitor: string; endpoint: string; state: string; message?: string; openTime?: string; closeTime?: string; threshold?: { severity?: string } }
export interface RequestLog { admitted?: string; logged?: string; acknowledged?: string; pending?: string; inFlight?: string; refused?: string; diskBytes?: string }
export interface Audit { tableUri: string; tableVersion?: string; files?: string; rows?: string; sizeBytes?: string; lastCommitTime?: string }

export const n = (s?: string) => Number(s ?? 0);
export const ms = (us?: string) => (us && n(us) > 0 ? (n(us) / 1000).toFixed(1) : "–");
export const time = (t?: string) => (t ? new Date(t).toLocaleTimeString() : "–");
export const word = (s: string, prefix: string) => s.replace(prefix, "").toLowerCase().replaceAll("_", " ");
