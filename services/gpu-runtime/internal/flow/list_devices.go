package flow

import "github.com/slipway-ai/slipway/services/gpu-runtime/internal/device"

// ListDevices returns the machine's devices and, beside each, what loaded and loading models hold on it, in bytes.
func (n *Node) ListDevices() (inv device.Inventory, reserved []int64) {
	inv = n.Devices.Read()
	for _, d := range inv.Devices {
		reserved = append(reserved, n.Ledger.Reserved(d.ID))
	}
	return inv, reserved
}
