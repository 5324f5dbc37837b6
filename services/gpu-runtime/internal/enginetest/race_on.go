//go:build race

package enginetest

// raceSlowdown is how much longer a worker takes to start when every access to memory is watched.
const raceSlowdown = 10
