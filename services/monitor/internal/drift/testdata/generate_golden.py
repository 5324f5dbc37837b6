"""Generates golden.json.gz, the corpus that internal/drift is checked against.

requirements: numpy==2.4.6 scipy==1.17.1 mpmath==1.4.1   (Python 3.11)

    python generate_golden.py golden.json.gz

Every number is scipy's. The one exception: where a statistic is a small rest of
large terms that cancel (two nearly equal distributions), scipy's own last digits
are noise, so mpmath evaluates the same formula with 50 digits; such a case says
"oracle": "mpmath".

Large samples are not stored. A recipe {n, seed, shape, a, b} is, in both languages:

    state = seed;  repeat n times:
        state = 6364136223846793005*state + 1442695040888963407  (mod 2^64)
        u = (state >> 11) / 2^53
    shape "uniform": a + b*u        (product rounded, then sum rounded: no FMA)
          "cube":    a + b*((u*u)*u)
          "ints":    floor(a + b*u)
          "eighths": floor(a + b*u) / 8
          "atom":    0 when u < a, else b*u
"""

import gzip
import json
import math
import sys
import warnings

import mpmath
import numpy as np
import scipy
from scipy import special, stats
from scipy.spatial import distance

mpmath.mp.dps = 50
CASES = []


def add(kind, name, given, want, oracle=None):
    case = {"kind": kind, "name": name, "in": given, "want": want}
    if oracle:
        case["oracle"] = oracle
    CASES.append(case)


def lcg(n, seed):
    """n states after seed, by doubling: state_{k+m} = A_m*state_k + C_m."""
    with np.errstate(over="ignore"):
        a, c = np.uint64(6364136223846793005), np.uint64(1442695040888963407)
        out = np.empty(n, dtype=np.uint64)
        out[0] = a * np.uint64(seed) + c
        have = 1
        while have < n:
            take = min(have, n - have)
            out[have : have + take] = a * out[:take] + c
            have += take
            c = a * c + c
            a = a * a
    return out


def build(r):
    u = (lcg(r["n"], r["seed"]) >> np.uint64(11)).astype(np.float64) / 2.0**53
    a, b = r["a"], r["b"]
    return {
        "uniform": lambda: a + b * u,
        "cube": lambda: a + b * ((u * u) * u),
        "ints": lambda: np.floor(a + b * u),
        "eighths": lambda: np.floor(a + b * u) / 8,
        "atom": lambda: np.where(u < a, 0.0, b * u),
    }[r["shape"]]()


SEED = [1]


def recipe(n, shape, a=0.0, b=1.0):
    SEED[0] += 1
    return {"n": int(n), "seed": SEED[0] * 7919, "shape": shape, "a": float(a), "b": float(b)}


def side(x):
    """A sample as the corpus stores it: values, or a recipe."""
    return {"recipe": x} if isinstance(x, dict) else {"values": [float(v) for v in x]}


def values(x):
    return build(x) if isinstance(x, dict) else np.asarray(x, dtype=np.float64)


# ---------------------------------------------------------------- Kolmogorov–Smirnov

def ks(name, ref, cur, modes=("auto", "asymp")):
    x, y = values(ref), values(cur)
    for mode in modes:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            try:
                r = stats.ks_2samp(x, y, method=mode)
            except RuntimeWarning:  # scipy fell back to asymp
                continue
        if not np.isfinite(r.pvalue):
            continue
        want = {"d": float(r.statistic), "p": float(r.pvalue)}
        if mode == "asymp" or r.statistic > 0:
            want["sign"] = int(r.statistic_sign) if r.statistic > 0 else 0
        add("ks", f"{name}/{mode}", {"ref": side(ref), "cur": side(cur), "mode": mode}, want)


def ks_cases():
    rng = np.random.default_rng(20260801)
    tiny = 5e-324
    hand = {
        "one against one, apart": ([1], [2]),
        "one against one, equal": ([1], [1]),
        "one against three": ([2], [1, 2, 3]),
        "three against one": ([1, 2, 3], [0]),
        "constants, equal": ([7] * 9, [7] * 5),
        "constants, apart": ([7] * 9, [8] * 5),
        "constant against spread": ([3] * 12, [1, 2, 3, 4, 5, 6, 7]),
        "denormals": ([tiny * k for k in (1, 2, 3, 5, 8)], [tiny * k for k in (2, 3, 4, 9, 10, 11)]),
        "negative zero": ([-0.0, 0.0, 1.0, 2.0], [0.0, 0.0, 3.0]),
        "huge magnitudes": ([1e308, -1e308, 3.0], [1e308, 2e307, 5.0, -4e300]),
        "neighbouring floats": ([1.0, 1.0 + 2**-52, 1.0 + 2**-51], [1.0, 1.0 + 2**-52, 1.0 + 2**-50]),
        "interleaved": (list(range(0, 40, 2)), list(range(1, 40, 2))),
        "identical": (list(range(17)), list(range(17))),
        "nested": (list(range(100)), list(range(25, 75))),
        "separated, 20 by 30": (list(range(20)), list(range(100, 130))),
        "separated, 300 by 250": (list(range(300)), list(range(1000, 1250))),
        "separated, 200 by 200": (list(range(200)), list(range(1000, 1200))),
    }
    for name, (a, b) in hand.items():
        ks(name, a, b)
    sizes = [(2, 2), (2, 3), (3, 5), (5, 5), (7, 11), (10, 10), (12, 18), (16, 64), (23, 29), (30, 31),
             (40, 60), (50, 50), (64, 81), (97, 101), (100, 100), (105, 95), (128, 96), (139, 140), (140, 140),
             (141, 140), (150, 75), (200, 300), (211, 223), (256, 256), (331, 97)]
    for m, n in sizes:
        for shift in (0.0, 0.1, 0.45):
            ks(f"normal {m}x{n} shift {shift}", np.round(rng.normal(size=m), 6), np.round(rng.normal(size=n) + shift, 6))
        ks(f"ties {m}x{n}", rng.integers(0, 6, size=m), rng.integers(0, 7, size=n))
    # Recipes: middle and large sizes, the boundary of auto, shared factors, coprime sizes.
    for m, n in [(500, 500), (523, 941), (941, 1192), (1000, 1000), (1000, 1500), (1192, 1344), (1999, 2003),
                 (2500, 10000), (4096, 6561), (5000, 5000), (9999, 10000), (10000, 10000), (10000, 7919),
                 (10001, 10000), (10000, 10001), (10001, 10001), (12000, 3), (20000, 17), (15000, 25000)]:
        for b in (1.0, 1.02, 1.2):
            ks(f"uniform {m}x{n} scale {b}", recipe(m, "uniform"), recipe(n, "uniform", 0, b))
        ks(f"ints {m}x{n}", recipe(m, "ints", 0, 40), recipe(n, "ints", 1, 40))
        ks(f"atom {m}x{n}", recipe(m, "atom", 0.3, 9), recipe(n, "atom", 0.34, 9))
    for m, n in [(100_000, 80_000), (200_000, 300_000), (500_000, 70_001), (1_000_000, 600_000)]:
        for b in (1.0, 1.003, 1.02):
            ks(f"uniform {m}x{n} scale {b}", recipe(m, "uniform"), recipe(n, "uniform", 0, b), modes=("auto",))
        ks(f"eighths {m}x{n}", recipe(m, "eighths", 0, 900), recipe(n, "eighths", 2, 900), modes=("auto",))
    ks("uniform 2.1M x 2.2M", recipe(2_100_000, "uniform"), recipe(2_200_000, "uniform", 0, 1.002), modes=("auto",))
    # Exact on request above the boundary of auto.
    ks("exact 12000x12000", recipe(12000, "uniform"), recipe(12000, "uniform", 0.01, 1), modes=("exact",))
    ks("exact 12000x9000", recipe(12000, "uniform"), recipe(9000, "uniform", 0.02, 1), modes=("exact",))
    ks("exact 100000x100000", recipe(100000, "uniform"), recipe(100000, "uniform", 0.004, 1), modes=("exact",))


def kstwo_cases():
    points = set()
    for n in (1, 2, 3, 5, 10, 20, 50, 100, 139, 140, 141, 200, 500, 632, 1000, 5000, 10_000, 50_000, 99_999, 100_000,
              100_001, 500_000, 1_000_000, 1_000_001, 5_000_000, 100_000_000):
        for z in (0.05, 0.2, 0.4, 0.6, 0.8, 0.868, 0.87, 1.0, 1.2, 1.48, 1.49, 1.7, 1.99, 2.01, 2.6, 4.0, 8.0, 15.0, 18.2):
            x = z / math.sqrt(n)
            if x < 1:
                points.add((n, x))
        for x in (0.5 / n, 0.75 / n, 1 / n, 1.3 / n, 0.3, 0.5, 0.7, 1 - 1 / n, 1 - 0.5 / n):
            if 0 < x < 1:
                points.add((n, x))
    for n, x in sorted(points):
        p = float(stats.kstwo.sf(x, n))
        add("kstwo", f"n={n} x={x:.6g}", {"n": float(n), "x": x}, {"p": p})


# ---------------------------------------------------------------- categories

def rel(p):
    s = math.fsum(p)
    return [v / s for v in p]


def exact_js2(p, q):
    """Jensen–Shannon divergence in nats, 50 digits."""
    P = [mpmath.mpf(v) for v in p]
    Q = [mpmath.mpf(v) for v in q]
    sp, sq = sum(P), sum(Q)
    total = mpmath.mpf(0)
    for a, b in zip(P, Q):
        a, b = a / sp, b / sq
        m = (a + b) / 2
        if a:
            total += a * mpmath.log(a / m)
        if b:
            total += b * mpmath.log(b / m)
    return total / 2


def js(name, p, q):
    nats, two = float(distance.jensenshannon(p, q)), float(distance.jensenshannon(p, q, base=2))
    oracle = None
    if nats < 0.02:
        d = exact_js2(p, q)
        nats, two, oracle = float(mpmath.sqrt(d)), float(mpmath.sqrt(d / mpmath.log(2))), "mpmath"
    a, b = np.asarray(p, float), np.asarray(q, float)
    a, b = a / a.sum(), b / b.sum()
    add("distances", name, {"ref": [float(v) for v in p], "cur": [float(v) for v in q]},
        {"js": nats, "js2": two, "tv": float(distance.cityblock(a, b) / 2), "linf": float(distance.chebyshev(a, b))}, oracle)


def distance_cases():
    rng = np.random.default_rng(7)
    js("one zero", [1, 0], [0.5, 0.5])
    js("disjoint", [1, 0, 0], [0, 2, 3])
    js("equal", [3, 4, 5], [3, 4, 5])
    js("equal shares", [3, 4, 5], [6, 8, 10])
    js("single category", [3], [9])
    js("nearly equal", [1000, 1001, 999], [1001, 1000, 999])
    js("nearly equal, large", [10**9, 10**9 + 7], [10**9 + 1, 10**9 + 5])
    js("tiny masses", [1e-300, 1e-300], [1e-300, 3e-300])
    js("wide range", [1e12, 1, 1e-9], [1e11, 5, 1e-3])
    for k in (2, 3, 5, 8, 13, 40, 200):
        for i in range(12):
            js(f"random k={k} #{i}", rng.integers(0, 200, k) + (np.arange(k) == 0), rng.integers(0, 260, k) + (np.arange(k) == 0))


def chi2(name, ref, cur):
    table = np.array([ref, cur])
    r = stats.chi2_contingency(table)
    stat, oracle = float(r.statistic), None
    p = float(r.pvalue)
    if r.dof > 0 and stat < 0.05 and stat > 0:
        # The cells nearly cancel: 50 digits instead of scipy's last ones.
        total, rows = mpmath.mpf(int(table.sum())), [int(sum(ref)), int(sum(cur))]
        s = mpmath.mpf(0)
        for a, b in zip(ref, cur):
            for row, o in zip(rows, (int(a), int(b))):
                e = mpmath.mpf(row) * (int(a) + int(b)) / total
                off = abs(o - e)
                if r.dof == 1:
                    off -= min(mpmath.mpf(0.5), off)
                s += off * off / e
        stat, p, oracle = float(s), float(mpmath.gammainc(mpmath.mpf(int(r.dof)) / 2, s / 2, regularized=True)), "mpmath"
    add("chi2", name, {"ref": [int(v) for v in ref], "cur": [int(v) for v in cur]}, {"stat": stat, "p": p, "dof": int(r.dof)}, oracle)


def chi2_cases():
    rng = np.random.default_rng(11)
    chi2("documentation", [10, 10, 20], [20, 20, 20])
    chi2("two by two", [10, 20], [30, 25])
    chi2("two by two, small move (Yates takes it all)", [50, 50], [50, 51])
    chi2("one category", [12], [40])
    chi2("identical", [5, 6, 7], [5, 6, 7])
    chi2("proportional", [5, 6, 7], [50, 60, 70])
    chi2("unseen category", [40, 60, 0], [30, 50, 20])
    chi2("small cells", [1, 2, 3], [2, 1, 1])
    chi2("large", [10**6, 2 * 10**6, 3 * 10**6], [10**6 + 4000, 2 * 10**6, 3 * 10**6 - 2500])
    chi2("tiny p", [500, 10, 5], [20, 300, 400])
    chi2("p near 1e-290", [700, 50], [50, 700])
    for k in (2, 3, 4, 6, 10, 25, 80, 300):
        for i, scale in enumerate((8, 30, 100, 1000, 20000)):
            base = rng.integers(1, scale + 1, k)
            for j, move in enumerate((0.0, 0.15, 0.8)):
                cur = np.maximum(1, np.round(base * (1 + move * rng.uniform(-1, 1, k)) + rng.integers(0, 3, k)).astype(int))
                chi2(f"k={k} scale={scale} move={move}", base, cur)
    for dof in (1, 2, 3, 5, 10, 31, 100, 999, 20_000):
        for f in (0.02, 0.3, 0.8, 1.0, 1.1, 1.7, 3.0, 9.0):
            x = dof * f
            add("chi2sf", f"dof={dof} x={x:g}", {"x": x, "dof": float(dof)}, {"p": float(stats.chi2.sf(x, dof))})
    for x in (1e-12, 1e-6, 50.0, 200.0, 700.0, 1300.0):
        for dof in (1, 4):
            add("chi2sf", f"dof={dof} x={x:g}", {"x": x, "dof": float(dof)}, {"p": float(stats.chi2.sf(x, dof))})


def fisher_cases():
    rng = np.random.default_rng(13)
    tables = [(8, 2, 1, 5), (0, 5, 5, 0), (3, 3, 3, 3), (1, 0, 0, 1), (0, 0, 4, 5), (10, 0, 0, 12), (100, 2, 1000, 5),
              (1, 9, 11, 3), (60, 10, 20, 70), (500, 490, 480, 510)]
    tables += [tuple(int(v) for v in rng.integers(0, s, 4)) for s in (4, 6, 10, 20, 50, 200, 2000) for _ in range(4)]
    for t in tables:
        p = float(stats.fisher_exact([[t[0], t[1]], [t[2], t[3]]]).pvalue)
        add("fisher", str(t), {"table": list(t)}, {"p": p})


# ---------------------------------------------------------------- numeric effect sizes

def inverted_cdf(x, q):
    """The q-quantile as the smallest observation whose share reaches q; q = tenths/10."""
    s = np.sort(x)
    rank = min(max(math.ceil(q * len(s)), 1), len(s))
    return s[rank - 1]


def decile_edges(ref):
    edges = []
    for i in range(1, 10):
        e, following = inverted_cdf(ref, i / 10), inverted_cdf(ref, (i + 1) / 10)
        for v in ([np.nextafter(e, -np.inf)] if e == following else []) + [e]:
            if not edges or edges[-1] < v:
                edges.append(float(v))
    return edges


def shift(name, ref, cur):
    x, y = values(ref), values(cur)
    w = float(stats.wasserstein_distance(x, y))
    spread = max(float(np.std(x)), 0.001)
    edges = decile_edges(x)
    bins = [-np.inf] + edges + [np.inf]
    r = np.array([int(((x > a) & (x <= b)).sum()) for a, b in zip(bins, bins[1:])])
    c = np.array([int(((y > a) & (y <= b)).sum()) for a, b in zip(bins, bins[1:])])
    used = (r + c) > 0
    p, q = np.maximum(r / r.sum(), 1e-4)[used], np.maximum(c / c.sum(), 1e-4)[used]
    psi = float((special.rel_entr(p, q) + special.rel_entr(q, p)).sum())
    oracle = None
    if psi < 0.01:
        P, Q = [mpmath.mpf(float(v)) for v in p], [mpmath.mpf(float(v)) for v in q]
        psi, oracle = float(sum((b - a) * mpmath.log(b / a) for a, b in zip(P, Q))), "mpmath"
    add("shift", name, {"ref": side(ref), "cur": side(cur)},
        {"w": w, "normed": w / spread, "edges": edges, "ref": r.tolist(), "cur": c.tolist(), "psi": psi,
         "psi_h0": float((int(used.sum()) - 1) * (1 / len(x) + 1 / len(y)))}, oracle)


def shift_cases():
    rng = np.random.default_rng(17)
    shift("one against one", [1], [3])
    shift("constants", [5] * 30, [9] * 20)
    shift("constant, current below", [5] * 30, [4.5] * 20)
    shift("identical", list(range(30)), list(range(30)))
    shift("zero inflated", [0] * 50 + list(range(1, 51)), [0] * 10 + list(range(1, 91)))
    shift("large offset", [1e9 + k for k in range(50)], [1e9 + 3 * k for k in range(40)])
    shift("atom at the top", list(range(50)) + [99] * 50, list(range(80)) + [99] * 20)
    for m, n in [(20, 30), (100, 100), (105, 95), (300, 211), (1000, 400), (2000, 1500)]:
        for s in (0.0, 0.2, 1.0):
            shift(f"normal {m}x{n} shift {s}", np.round(rng.normal(size=min(m, 300)), 5), np.round(rng.normal(size=min(n, 300)) + s, 5))
        shift(f"ints {m}x{n}", recipe(m, "ints", 0, 60), recipe(n, "ints", 10, 60))
        shift(f"cube {m}x{n}", recipe(m, "cube", 0, 500), recipe(n, "cube", 0, 640))
        shift(f"atom {m}x{n}", recipe(m, "atom", 0.4, 20), recipe(n, "atom", 0.2, 20))
    shift("uniform 200k x 150k", recipe(200_000, "uniform", 20, 10), recipe(150_000, "uniform", 20.2, 10))
    shift("ints 1M x 900k", recipe(1_000_000, "ints", 0, 4000), recipe(900_000, "ints", 30, 4000))


# ---------------------------------------------------------------- false discovery

def fdr_cases():
    rng = np.random.default_rng(19)
    lists = [[0.5, 0.6, 0.1, 0.001], [0.04], [0.0, 1.0], [1.0] * 5, [0.01] * 7, [1e-300, 1e-200, 0.5, 0.9], [0.02, 0.01, 0.03, 0.04]]
    lists += [np.round(rng.uniform(0, s, k), 9).tolist() for k in (2, 3, 5, 10, 20, 100) for s in (1.0, 0.1, 0.01)]
    for i, ps in enumerate(lists):
        for method in ("bh", "by"):
            add("fdr", f"{method} #{i} ({len(ps)})", {"p": ps, "method": method},
                {"adjusted": [float(v) for v in stats.false_discovery_control(ps, method=method)]})


def main(path):
    for make in (ks_cases, kstwo_cases, distance_cases, chi2_cases, fisher_cases, shift_cases, fdr_cases):
        make()
    doc = {"scipy": scipy.__version__, "numpy": np.__version__, "mpmath": mpmath.__version__, "cases": CASES}
    raw = json.dumps(doc, separators=(",", ":"), allow_nan=False).encode()
    with open(path, "wb") as f:  # mtime 0: the same corpus gives the same bytes
        with gzip.GzipFile(fileobj=f, mode="wb", compresslevel=9, mtime=0, filename="") as z:
            z.write(raw)
    counts = {}
    for c in CASES:
        counts[c["kind"]] = counts.get(c["kind"], 0) + 1
    print(len(CASES), "cases,", len(raw), "bytes of JSON:", counts)


if __name__ == "__main__":
    main(sys.argv[1])
