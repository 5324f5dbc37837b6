package demo

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"text/tabwriter"

	monitorv1 "github.com/slipway-ai/slipway/proto/gen/go/slipway/monitor/v1"
)

// printer writes for people: a title per step, lines and tables below it.
type printer struct{ w io.Writer }

func (p *printer) title(s string)               { fmt.Fprintf(p.w, "\n\u25b8 %s\n", s) }
func (p *printer) line(format string, a ...any) { fmt.Fprintf(p.w, "  "+format+"\n", a...) }
func (p *printer) fail(err error)               { fmt.Fprintf(p.w, "  \u2717 %v\n", err) }

func (p *printer) done(r Report) {
	fmt.Fprintf(p.w, "\n\u2713 The main job is done in %.1f s.\n", r.Seconds)
}

func (p *printer) round(r Round) {
	share := make([]string, 0, len(r.Split))
	for _, name := range slices.Sorted(maps.Keys(r.Split)) {
		share = append(share, fmt.Sprintf("%s %d (%.1f %%)", name, r.Split[name], 100*float64(r.Split[name])/float64(max(1, r.Asked-r.Failed))))
	}
	p.line("%d calls, %d streamed, %d failed, %.1f s; split %s", r.Asked, r.Streamed, r.Failed, r.Seconds, strings.Join(share, ", "))
	p.line("P50 %.1f ms, P95 %.1f ms, P99 %.1f ms, first token P50 %.1f ms; %d tokens in, %d out", r.P50, r.P95, r.P99, r.TTFTP50, r.Input, r.Output)
}

func (p *printer) profile(rows []*monitorv1.ProfileMetrics) {
	t := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  PROFILE\tROWS\tNULLS\tMEAN\tMEDIAN\tP95\tMOST FREQUENT")
	for _, r := range rows {
		if r.GetColumn() == ":table" || r.GetSliceKey() != "" || r.GetLogType() == "BASELINE" {
			continue
		}
		if r.GetDataType() == "numeric" {
			fmt.Fprintf(t, "  %s\t%d\t%d\t%.4g\t%.4g\t%.4g\t\n", r.GetColumn(), r.GetCount(), r.GetNumNulls(), r.GetMean(), r.GetMedian(), r.GetP95())
			continue
		}
		var top []string
		for _, f := range r.GetFrequentItems()[:min(4, len(r.GetFrequentItems()))] {
			top = append(top, fmt.Sprintf("%s %d", f.GetItem(), f.GetCount()))
		}
		fmt.Fprintf(t, "  %s\t%d\t%d\t\t\t\t%s\n", r.GetColumn(), r.GetCount(), r.GetNumNulls(), strings.Join(top, ", "))
	}
	_ = t.Flush()
}

func (p *printer) drift(rows []*monitorv1.DriftMetrics) {
	t := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  DRIFT\tTEST\tSTATISTIC\tP ADJUSTED\tJS\tPSI\tWASSERSTEIN\tMOVED")
	for _, r := range rows {
		test, statistic := "KS", r.KsStatistic
		if r.GetDataType() == "categorical" {
			test, statistic = "\u03c7\u00b2", r.ChiSquaredStatistic
		}
		moved := ""
		if r.GetDrifted() {
			moved = "yes"
		} else if r.GetStatus() != "" && r.GetStatus() != "ok" {
			moved = r.GetStatus()
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.GetColumn(), test, number(statistic), number(r.PAdjusted), number(r.JsDistance), number(r.Psi), number(r.Wasserstein), moved)
	}
	_ = t.Flush()
}

func number(v *float64) string {
	if v == nil {
		return "\u2013"
	}
	return fmt.Sprintf("%.3g", *v)
}

// bar shows how far a round is, on a terminal only.
type bar struct {
	w    io.Writer
	name string
	n    int
	done atomic.Int64
}

func (p *printer) bar(name string, n int) *bar {
	b := &bar{name: name, n: n}
	if f, ok := p.w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			b.w = p.w
		}
	}
	return b
}

func (b *bar) step() {
	done := int(b.done.Add(1))
	if b.w == nil || done%max(1, b.n/50) != 0 {
		return
	}
	full := done * 30 / b.n
	fmt.Fprintf(b.w, "\r  %s %s%s %d/%d", b.name, strings.Repeat("\u2588", full), strings.Repeat("\u2591", 30-full), done, b.n)
}

func (b *bar) end() {
	if b.w != nil {
		fmt.Fprint(b.w, "\r\033[K")
	}
}
