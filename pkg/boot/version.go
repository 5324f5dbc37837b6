package boot

import "runtime/debug"

// version is set by the linker: -ldflags "-X github.com/slipway-ai/slipway/pkg/boot.version=v1.2.3".
var version string

// Version is what was built: the version that the build gave, else the commit that the toolchain recorded, else "dev".
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return "dev"
}
