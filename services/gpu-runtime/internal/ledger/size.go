package ledger

import "strconv"

// Size writes bytes for people: "1.5 GiB", "820 KiB".
func Size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	x, u := float64(n), 0
	for (x >= 1024 || x <= -1024) && u < len(units)-1 {
		x /= 1024
		u++
	}
	digits := 0
	if u > 0 && x < 100 {
		digits = 1
	}
	return strconv.FormatFloat(x, 'f', digits, 64) + " " + units[u]
}
