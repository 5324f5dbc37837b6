// Package route knows where a request goes.
//
// The routing table is a value: serving sends it whole after every change, it is built here once, and requests read it
// through one atomic pointer. A request that began with one table ends with it. When serving is away the last table goes on
// serving; the data plane does not need the control plane to answer.
//
// What changes faster than routes is the state of the instances that models run on. Each gpu-runtime streams it, and it lives
// beside the table in counters that all tables share, so that an engine's restart does not rebuild anything.
//
// # The split
//
// An endpoint's traffic is split over its served entities by whole percents. A request belongs to a unit; unit and endpoint
// are hashed to one of 10,000 buckets, and the entities own consecutive ranges of buckets in the order of the configuration.
// So a unit stays with its entity for as long as the ranges around it stay, and when one neighbour's share grows at the
// other's cost, units move into it and none move out. The salt is the endpoint's id, so the same unit is not in everybody's
// canary. The unit is, in this order, what the request calls user (or safety_identifier), and the session header. It is not
// the principal: one service account often is all of an endpoint's traffic, and would take the whole split with it. A request
// without a unit is its own unit.
package route
