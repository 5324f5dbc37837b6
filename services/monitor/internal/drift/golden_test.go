package drift_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-ai/slipway/services/monitor/internal/drift"
)

const (
	statisticTolerance   = 1e-12 // relative
	probabilityTolerance = 1e-10 // relative, above probabilityFloor
	probabilityFloor     = 1e-300
	leastCases           = 500
)

type golden struct {
	Cases []goldenCase `json:"cases"`
}

type goldenCase struct {
	Kind string          `json:"kind"`
	Name string          `json:"name"`
	In   json.RawMessage `json:"in"`
	Want json.RawMessage `json:"want"`
}

// side is a stored sample: its values, or the recipe that rebuilds them.
type side struct {
	Values []float64 `json:"values"`
	Recipe *struct {
		N     int     `json:"n"`
		Seed  uint64  `json:"seed"`
		Shape string  `json:"shape"`
		A     float64 `json:"a"`
		B     float64 `json:"b"`
	} `json:"recipe"`
}

// build follows the recipe that generate_golden.py documents, bit for bit: the
// conversions keep a compiler from fusing a product and a sum.
func (s side) build(t *testing.T) drift.Sample {
	t.Helper()
	if s.Recipe == nil {
		return drift.NewSample(s.Values)
	}
	r, state := s.Recipe, s.Recipe.Seed
	xs := make([]float64, r.N)
	for i := range xs {
		state = 6364136223846793005*state + 1442695040888963407
		u := float64(state>>11) / (1 << 53)
		switch r.Shape {
		case "uniform":
			xs[i] = r.A + float64(r.B*u)
		case "cube":
			cube := float64(float64(u*u) * u)
			xs[i] = r.A + float64(r.B*cube)
		case "ints":
			xs[i] = math.Floor(r.A + float64(r.B*u))
		case "eighths":
			xs[i] = math.Floor(r.A+float64(r.B*u)) / 8
		case "atom":
			if u >= r.A {
				xs[i] = r.B * u
			}
		default:
			t.Fatalf("recipe of unknown shape %q", r.Shape)
		}
	}
	return drift.NewSample(xs)
}

func readGolden(t testing.TB) []goldenCase {
	t.Helper()
	f, err := os.Open("testdata/golden.json.gz")
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	var g golden
	require.NoError(t, json.NewDecoder(z).Decode(&g))
	return g.Cases
}

func TestEveryStatisticEqualsTheGoldenCorpus(t *testing.T) {
	t.Parallel()
	cases := readGolden(t)
	require.GreaterOrEqual(t, len(cases), leastCases, "the corpus is cut short")
	checks := map[string]func(*testing.T, goldenCase){
		"ks": checkKS, "kstwo": checkKSTwo, "distances": checkDistances, "chi2": checkChi2,
		"chi2sf": checkChi2SF, "fisher": checkFisher, "shift": checkShift, "fdr": checkFDR,
	}
	seen := map[string]int{}
	for i, c := range cases {
		check, known := checks[c.Kind]
		require.True(t, known, "case %d is of unknown kind %q", i, c.Kind)
		seen[c.Kind]++
		t.Run(fmt.Sprintf("%s/%s", c.Kind, c.Name), func(t *testing.T) {
			t.Parallel()
			check(t, c)
		})
	}
	for kind := range checks {
		require.NotZero(t, seen[kind], "the corpus holds no case of kind %s", kind)
	}
}

func unpack(t *testing.T, raw json.RawMessage, into any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(raw, into))
}

// near fails unless got is within rel of want, relatively; a few units of the
// smallest float are allowed, because denormals have no relative precision.
func near(t *testing.T, what string, want, got, rel float64) {
	t.Helper()
	if want == got || math.Abs(got-want) <= rel*math.Abs(want)+8*math.SmallestNonzeroFloat64 {
		return
	}
	t.Errorf("%s: want %.17g, got %.17g, relative error %.2g (limit %g)", what, want, got, math.Abs(got-want)/math.Abs(want), rel)
}

func nearP(t *testing.T, want, got float64) {
	t.Helper()
	if want < probabilityFloor {
		require.LessOrEqual(t, got, probabilityFloor, "p")
		require.GreaterOrEqual(t, got, 0.0, "p")
		return
	}
	near(t, "p", want, got, probabilityTolerance)
}

func checkKS(t *testing.T, c goldenCase) {
	var in struct {
		Ref, Cur side
		Mode     string
	}
	var want struct {
		D, P float64
		Sign *int
	}
	unpack(t, c.In, &in)
	unpack(t, c.Want, &want)
	mode := drift.KSMode(in.Mode)
	if in.Mode == "asymp" {
		mode = drift.KSAsymptotic
	}
	got, err := drift.KolmogorovSmirnov(in.Ref.build(t), in.Cur.build(t), mode)
	require.NoError(t, err)
	near(t, "D", want.D, got.D, statisticTolerance)
	require.Equal(t, got.D, got.DHigh)
	nearP(t, want.P, got.P)
	if mode != drift.KSAuto {
		require.Equal(t, mode, got.Mode)
	}
	if want.Sign != nil {
		require.LessOrEqual(t, abs(got.Sign), 1)
		require.Equal(t, want.D == 0, got.Sign == 0)
	}
}

func abs(i int) int { return max(i, -i) }

func checkKSTwo(t *testing.T, c goldenCase) {
	var in struct{ N, X float64 }
	var want struct{ P float64 }
	unpack(t, c.In, &in)
	unpack(t, c.Want, &want)
	got, err := drift.KolmogorovTwoSidedSF(in.N, in.X)
	require.NoError(t, err)
	nearP(t, want.P, got)
}

func checkDistances(t *testing.T, c goldenCase) {
	var in struct{ Ref, Cur []float64 }
	var want struct{ JS, JS2, TV, Linf float64 }
	unpack(t, c.In, &in)
	unpack(t, c.Want, &want)
	js, err := drift.JensenShannon(in.Ref, in.Cur)
	require.NoError(t, err)
	near(t, "JS", want.JS, js.Nats, statisticTolerance)
	near(t, "JS base 2", want.JS2, js.Base2, statisticTolerance)
	tv, err := drift.TotalVariation(in.Ref, in.Cur)
	require.NoError(t, err)
	near(t, "TV", want.TV, tv, statisticTolerance)
	linf, err := drift.LInfinity(in.Ref, in.Cur)
	require.NoError(t, err)
	near(t, "L∞", want.Linf, linf, statisticTolerance)
}

func checkChi2(t *testing.T, c goldenCase) {
	var in struct{ Ref, Cur []int64 }
	var want struct {
		Stat, P float64
		DOF     int
	}
	unpack(t, c.In, &in)
	unpack(t, c.Want, &want)
	got, err := drift.ChiSquareContingency(in.Ref, in.Cur)
	require.NoError(t, err)
	require.Equal(t, want.DOF, got.DOF)
	near(t, "χ²", want.Stat, got.Statistic, statisticTolerance)
	nearP(t, want.P, got.P)
}

func checkChi2SF(t *testing.T, c goldenCase) {
	var in struct{ X, DOF float64 }
	var want struct{ P float64 }
	unpack(t, c.In, &in)
	unpack(t, c.Want, &want)
	nearP(t, want.P, drift.ChiSquareSF(in.X, in.DOF))
}

func checkFisher(t *testing.T, c goldenCase) {
	var in struct{ Table [4]int64 }
	var want struct{ P float64 }
	unpack(t, c.In, &in)
	unpack(t, c.Want, &want)
	got, err := drift.FisherExact(in.Table[0], in.Table[1], in.Table[2], in.Table[3])
	require.NoError(t, err)
	nearP(t, want.P, got)
}

func checkShift(t *testing.T, c goldenCase) {
	var in struct{ Ref, Cur side }
	var want struct {
		W, Normed, PSI float64
		H0             float64 `json:"psi_h0"`
		Edges          []float64
		Ref, Cur       []int64
	}
	unpack(t, c.In, &in)
	unpack(t, c.Want, &want)
	ref, cur := in.Ref.build(t), in.Cur.build(t)
	w, err := drift.Wasserstein(ref, cur)
	require.NoError(t, err)
	near(t, "W", want.W, w.Distance, statisticTolerance)
	near(t, "W normed", want.Normed, w.Normed, statisticTolerance)
	bins, err := drift.ReferenceDeciles(ref)
	require.NoError(t, err)
	require.Equal(t, want.Edges, bins.Edges())
	require.Equal(t, want.Ref, bins.Count(ref))
	require.Equal(t, want.Cur, bins.Count(cur))
	psi, err := drift.PopulationStability(bins.Count(ref), bins.Count(cur))
	require.NoError(t, err)
	near(t, "PSI", want.PSI, psi.Value, statisticTolerance)
	near(t, "E[PSI|H0]", want.H0, psi.Expected, statisticTolerance)
}

func checkFDR(t *testing.T, c goldenCase) {
	var in struct {
		P      []float64
		Method string
	}
	var want struct{ Adjusted []float64 }
	unpack(t, c.In, &in)
	unpack(t, c.Want, &want)
	adjust := drift.BenjaminiHochberg
	if in.Method == "by" {
		adjust = drift.BenjaminiYekutieli
	}
	got, err := adjust(in.P)
	require.NoError(t, err)
	require.Len(t, got, len(want.Adjusted))
	for i := range got {
		near(t, "adjusted p", want.Adjusted[i], got[i], statisticTolerance)
	}
}
