package supervise

import "syscall"

// attributes make a worker a process group of its own, out of reach of the terminal's Ctrl-C, that is killed when the
// thread that started it ends (see Spawner).
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
