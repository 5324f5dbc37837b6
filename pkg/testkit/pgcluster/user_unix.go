//go:build unix

package pgcluster

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// unprivileged says how to run a command that root may not run. It gives the folder to the user who will.
func unprivileged(dir string) (func(*exec.Cmd), error) {
	if os.Geteuid() != 0 {
		return func(*exec.Cmd) {}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errU := strconv.ParseUint(u.Uid, 10, 32)
		gid, errG := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(errU, errG, os.Chown(dir, int(uid), int(gid))); err != nil {
			return nil, err
		}
		return func(c *exec.Cmd) {
			attributes(c).Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		}, nil
	}
	return nil, errors.New("root cannot run a server, and there is no user postgres or nobody")
}

// detach puts the guard into a process group of its own: an interrupt typed at the terminal is for the tests, and the
// guard notices their end by itself.
func detach(c *exec.Cmd) { attributes(c).Setpgid = true }

func attributes(c *exec.Cmd) *syscall.SysProcAttr {
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	return c.SysProcAttr
}
