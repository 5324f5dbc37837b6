package domain

import "time"

// AlertQuery asks for alerts, newest first.
type AlertQuery struct {
	Monitor  string     // empty: any
	Endpoint string     // empty: any
	State    AlertState // empty: any
	After    TimeKey    // by open time
	Limit    int
}

// Delivery is one event on its way to one webhook.
type Delivery struct {
	EventID  string
	URL      string
	Monitor  string
	Kind     string
	Payload  []byte // JSON, the same bytes at every attempt
	Attempts int    // this one included
	Created  time.Time
}
