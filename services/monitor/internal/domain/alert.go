package domain

import (
	"slices"
	"time"
)

// AlertState is open or closed. An alert opens once and closes once; the next
// crossing is another alert, so that the list of alerts is their history.
type AlertState string

// The states.
const (
	AlertOpen   AlertState = "OPEN"
	AlertClosed AlertState = "CLOSED"
)

// Alert is one crossing of one threshold.
type Alert struct {
	ID        string
	Monitor   string
	Endpoint  string
	Threshold Threshold
	State     AlertState

	// What was last seen while it was open.
	Columns []string
	Value   float64
	Window  Window
	Message string

	OpenTime   time.Time
	CloseTime  time.Time // zero while open
	Deliveries int       // webhooks told of it, by event and address
}

// Event kinds, as webhooks name them.
const (
	EventAlertOpened = "alert.opened"
	EventAlertClosed = "alert.closed"
)

// AlertEvent is a change of state. It is told to webhooks at least once each, always
// under the same ID.
type AlertEvent struct {
	ID    string
	Kind  string
	Alert Alert // as it was after the change
	Time  time.Time
}

// AlertChange is what an evaluation does to one alert: an alert to store, and the
// event, if its state changed.
type AlertChange struct {
	Alert Alert
	Event *AlertEvent
}

// Judge carries the open alerts of a monitor through the windows of one refresh, in
// the order given, and tells what became of them. It decides from its arguments
// alone: the same windows judged again change nothing, which makes a repeated
// refresh harmless. Alerts whose threshold the monitor no longer has are closed.
//
//	(none) ──crossed──▶ OPEN ──crossed──▶ OPEN, last seen updated
//	                     │ └──not known──▶ OPEN, unchanged
//	                     └──not crossed──▶ CLOSED
func Judge(m Monitor, open []Alert, windows []Evaluated, now time.Time, newID func() string) []AlertChange {
	byKey := map[string]*AlertChange{}
	var order []*AlertChange
	var changes []*AlertChange
	for _, a := range open {
		c := &AlertChange{Alert: a}
		byKey[a.Threshold.Key()] = c
		order = append(order, c)
	}
	shut := func(c *AlertChange) {
		c.Alert.State, c.Alert.CloseTime = AlertClosed, now
		c.Event = &AlertEvent{ID: newID(), Kind: EventAlertClosed, Alert: c.Alert, Time: now}
		changes = append(changes, c)
		delete(byKey, c.Alert.Threshold.Key())
	}
	keep := map[string]bool{}
	for _, t := range m.Thresholds {
		keep[t.Key()] = true
	}
	for _, c := range order {
		if !keep[c.Alert.Threshold.Key()] {
			shut(c)
		}
	}
	for _, w := range windows {
		for _, t := range m.Thresholds {
			f := t.Evaluate(w, m.MinRows)
			if !f.Known {
				continue
			}
			c, isOpen := byKey[t.Key()]
			switch {
			case f.Crossed() && !isOpen:
				a := Alert{
					ID: newID(), Monitor: m.Name, Endpoint: m.Endpoint, Threshold: t, State: AlertOpen,
					Columns: f.Columns, Value: f.Value, Window: w.Window, Message: f.Message, OpenTime: now,
				}
				c = &AlertChange{Alert: a, Event: &AlertEvent{ID: newID(), Kind: EventAlertOpened, Alert: a, Time: now}}
				byKey[t.Key()] = c
				changes = append(changes, c)
			case f.Crossed():
				if c.Alert.sees(w.Window, f) && !slices.Contains(changes, c) {
					changes = append(changes, c)
				}
			case isOpen:
				// An alert opened in this very call keeps its opening event: closing is a
				// change of its own.
				next := &AlertChange{Alert: c.Alert}
				shut(next)
			}
		}
	}
	out := make([]AlertChange, len(changes))
	for i, c := range changes {
		out[i] = *c
	}
	return out
}

// sees updates what was last seen and tells whether that is news.
func (a *Alert) sees(w Window, f Finding) bool {
	if a.Window.Equal(w) && a.Value == f.Value && a.Message == f.Message && slices.Equal(a.Columns, f.Columns) {
		return false
	}
	a.Window, a.Value, a.Message, a.Columns = w, f.Value, f.Message, f.Columns
	return true
}
