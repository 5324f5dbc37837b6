// Package domain holds the nouns of serving and the rules they live by. An endpoint is a name that answers; what it
// serves is a revision, immutable once made; at most one revision is active and at most one is pending. Instances are
// the model copies that revisions stand on, shared by every revision of an endpoint that wants the same model version
// with the same parameters. Everything here is a pure function of what it is given: the transitions keep the invariants
// (Endpoint.Check spells them out), Plan says what the outside world must be made to do next, and RouteOf says what
// gateways are told. The package knows no wire, no database and no clock.
package domain
