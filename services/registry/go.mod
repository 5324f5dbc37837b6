module github.com/slipway-ai/slipway/services/registry

go 1.26.8

require (
	github.com/slipway-ai/slipway/pkg v0.0.0
	github.com/slipway-ai/slipway/proto v0.0.0
)

replace (
	github.com/slipway-ai/slipway/pkg => ../../pkg
	github.com/slipway-ai/slipway/proto => ../../proto
)
