//go:build !unix

package pgcluster

import (
	"errors"
	"os/exec"
)

// unprivileged refuses: the guard is a shell. Here SLIPWAY_TEST_POSTGRES names a server.
func unprivileged(string) (func(*exec.Cmd), error) {
	return nil, errors.New("a private server needs a unix system: set SLIPWAY_TEST_POSTGRES to the url of a server")
}

func detach(*exec.Cmd) {}
