module github.com/slipway-ai/slipway/test

go 1.26.8

require (
	github.com/slipway-ai/slipway/pkg v0.0.0
	github.com/slipway-ai/slipway/proto v0.0.0
	github.com/slipway-ai/slipway/services/registry v0.0.0
	github.com/slipway-ai/slipway/services/serving v0.0.0
	github.com/slipway-ai/slipway/services/gateway v0.0.0
	github.com/slipway-ai/slipway/services/monitor v0.0.0
	github.com/slipway-ai/slipway/services/gpu-runtime v0.0.0
)

replace (
	github.com/slipway-ai/slipway/pkg => ../pkg
	github.com/slipway-ai/slipway/proto => ../proto
	github.com/slipway-ai/slipway/services/registry => ../services/registry
	github.com/slipway-ai/slipway/services/serving => ../services/serving
	github.com/slipway-ai/slipway/services/gateway => ../services/gateway
	github.com/slipway-ai/slipway/services/monitor => ../services/monitor
	github.com/slipway-ai/slipway/services/gpu-runtime => ../services/gpu-runtime
)
