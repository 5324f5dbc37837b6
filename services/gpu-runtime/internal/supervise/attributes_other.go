//go:build !linux

package supervise

import "syscall"

// attributes make a worker a process group of its own. Where the kernel cannot kill it with its parent, it ends when its
// next report finds no reader, within a heartbeat.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
