//go:build !race

package enginetest

const raceSlowdown = 1
