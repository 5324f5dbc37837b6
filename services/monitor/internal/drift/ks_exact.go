package drift

// pathsOutside is P(D ≥ peak/lcm) under the null: among the C(m+n, m) equally
// likely lattice paths from (0,0) to (m,n), the share that touches or leaves the
// band |i·n/g − j·m/g| < peak. peak is in units of 1/lcm(m,n).
func pathsOutside(m, n, g, peak int64) float64 {
	switch {
	case peak == 0:
		return 1
	case m == n:
		return squareOutside(n, peak)
	default:
		return bandOutside(m, n, g, peak)
	}
}

// squareOutside is Gnedenko and Korolyuk's reflection sum for equal sizes,
//
//	2·Σ_{k≥1} (−1)^{k−1} C(2n, n−kh)/C(2n, n),
//
// evaluated from the innermost term outwards, so that each step multiplies a
// number in [0,1] and a tiny p keeps all its digits.
func squareOutside(n, h int64) float64 {
	var p float64
	for k := n / h; k >= 1; k-- {
		// C(2n, n−kh)/C(2n, n−(k−1)h), h factors below one.
		base := (k - 1) * h
		ratio := 1.0
		for j := int64(0); j < h; j++ {
			ratio *= float64(n-base-j) / float64(n+base+j+1)
		}
		p = ratio * (1 - p)
	}
	return min(2*p, 1)
}

// bandOutside fills, row by row, a(i,j) = the share of paths from the origin to
// (i,j) that have left the band. A point outside has a = 1; a point inside mixes
// its two predecessors by the odds of the last step,
//
//	a(i,j) = a(i−1,j)·i/(i+j) + a(i,j−1)·j/(i+j).
//
// Nothing is subtracted, so p = a(m,n) is accurate however small it is, and only
// the cells inside the band are visited: O(D·m·n) steps, one row of memory.
func bandOutside(m, n, g, peak int64) float64 {
	if m < n { // the band is symmetric; short rows stay in cache
		m, n = n, m
	}
	mg, ng := m/g, n/g
	row := make([]float64, n+1)
	// Row 0: points (0, j) are inside while j·mg < peak.
	hi := min((peak-1)/mg, n)
	for j := hi + 1; j <= n; j++ {
		row[j] = 1
	}
	for i := int64(1); i <= m; i++ {
		// Inside: i·ng − peak < j·mg < i·ng + peak.
		lo := int64(0)
		if low := i*ng - peak; low >= 0 {
			lo = low/mg + 1
		}
		top := min((i*ng+peak-1)/mg, n)
		if lo > top {
			// No point of this row is inside: every path has left the band.
			return 1
		}
		left := 1.0 // a(i, lo−1): outside, or unreachable when lo is 0, where its weight is 0
		fi := float64(i)
		for j := lo; j <= top; j++ {
			fj := float64(j)
			left = (row[j]*fi + left*fj) / (fi + fj)
			row[j] = left
		}
		// Cells right of the band hold 1 already: they were outside in the row
		// above as well. Cells left of it must not be read again as inside.
		if lo > 0 {
			row[lo-1] = 1
		}
	}
	return min(row[n], 1)
}
