// Package bench measures what the gateway adds to a request, beside a bare httputil.ReverseProxy in the same run.
//
//	go test -run '^$' -bench . -benchtime 20x ./bench
//
// Three processes take part, so that the CPU of one is not counted as another's: the upstream with a monitor that takes the
// rows, the load generator, and the process under test, which holds both the gateway and the reverse proxy. The gateway does
// everything that it does in service, through its own door: a token looked up by its SHA-256, a limit, access, the routing
// table, the scan of the body, the metering of the answer, BEGIN and END in a log that is synced before the last byte, and
// shipping of the rows. The reverse proxy does nothing but copy. Load goes in short bursts through each way in turn, so that a
// neighbour's work falls on all of them alike; compare within one run, by the ratios.
package bench
