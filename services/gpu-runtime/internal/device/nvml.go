package device

import (
	"errors"
	"fmt"

	"github.com/ebitengine/purego"
)

// ErrNoDriver says that the machine has no NVIDIA driver, which is no fault.
var ErrNoDriver = errors.New("no NVIDIA driver on this machine")

// The structures of nvml.h that cross the boundary.
//
//nolint:unused // a field that is not used keeps the place of those that are
type (
	nvmlMemory      struct{ total, free, used uint64 }
	nvmlUtilization struct{ gpu, memory uint32 }
	nvmlProcess     struct {
		pid            uint32
		usedMemory     uint64 // all ones when the driver does not say
		instance, unit uint32
	}
)

const nvmlSuccess, nvmlInsufficientSize = 0, 7

// nvml is the driver's management library, bound through purego: a dozen calls do not need cgo.
type nvml struct {
	init, shutdown func() int32
	errorString    func(int32) string
	driver         func(*byte, uint32) int32
	count          func(*uint32) int32
	handle         func(uint32, *uintptr) int32
	handleByUUID   func(string, *uintptr) int32
	name, uuid     func(uintptr, *byte, uint32) int32
	memory         func(uintptr, *nvmlMemory) int32
	utilization    func(uintptr, *nvmlUtilization) int32
	migMode        func(uintptr, *uint32, *uint32) int32
	processes      func(uintptr, *uint32, *nvmlProcess) int32
}

// openNVML loads and starts the library. Without a driver the error is ErrNoDriver.
func openNVML(library string) (*nvml, error) {
	lib, err := purego.Dlopen(library, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, fmt.Errorf("%w", ErrNoDriver)
	}
	n := &nvml{}
	for name, fn := range map[string]any{
		"nvmlInit_v2": &n.init, "nvmlShutdown": &n.shutdown, "nvmlErrorString": &n.errorString, "nvmlSystemGetDriverVersion": &n.driver,
		"nvmlDeviceGetCount_v2": &n.count, "nvmlDeviceGetHandleByIndex_v2": &n.handle, "nvmlDeviceGetHandleByUUID": &n.handleByUUID,
		"nvmlDeviceGetName": &n.name, "nvmlDeviceGetUUID": &n.uuid, "nvmlDeviceGetMemoryInfo": &n.memory,
		"nvmlDeviceGetUtilizationRates": &n.utilization, "nvmlDeviceGetMigMode": &n.migMode, "nvmlDeviceGetComputeRunningProcesses_v3": &n.processes,
	} {
		address, err := purego.Dlsym(lib, name)
		if err != nil {
			return nil, fmt.Errorf("the NVIDIA driver's library has no %s: it is too old", name)
		}
		purego.RegisterFunc(fn, address)
	}
	if code := n.init(); code != nvmlSuccess {
		return nil, fmt.Errorf("the NVIDIA driver does not start: %s", n.errorString(code))
	}
	return n, nil
}

// check turns a code into an error that says what was asked.
func (n *nvml) check(what string, code int32) error {
	if code == nvmlSuccess {
		return nil
	}
	return fmt.Errorf("%s: %s", what, n.errorString(code))
}

// text calls a function that fills a buffer with a C string.
func text(call func(*byte, uint32) int32) (string, int32) {
	var buf [96]byte
	code := call(&buf[0], uint32(len(buf)))
	for i, c := range buf {
		if c == 0 {
			return string(buf[:i]), code
		}
	}
	return string(buf[:]), code
}
