// The CRDs of the Prometheus operator, which the chart's monitors are checked against. Nothing of it is built.
module groundlink.dev/hack/tools/monitors

go 1.26.8

require github.com/prometheus-operator/prometheus-operator v0.85.0
