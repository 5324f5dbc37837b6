// Package delta reads and writes Delta Lake tables without a JVM, a lock
// service or cgo.
//
// A Delta table is a folder of Parquet files and a log of numbered commits
// beside them. Nothing in the folder means anything until a commit names it,
// so the whole of the format's safety rests on one act: creating the file
// "version N+1" when, and only when, it does not exist yet. [Store] asks its
// backends for exactly that act (PutIfAbsent), and [Table.Commit] is the loop
// around it: look at the newest version, check that what others committed does
// not contradict us, try the next number, look again when somebody was faster.
//
// The package speaks protocol reader 1, writer 2, the oldest pair that every
// engine still reads: append, remove, statistics, partition values, V1
// checkpoints and application transactions ("txn"), which are what makes an
// append that is sent twice happen once. It refuses, by name, every table
// feature that it does not implement, for reading and for writing, because a
// reader that skips a deletion vector returns deleted rows.
//
// The chapters, in the order in which a reader of the code wants them:
//
//	schema.go partition.go vector.go       what a row is
//	store.go local.go bucket.go            where bytes lie
//	action.go protocol.go log.go           what a commit says
//	snapshot.go checkpoint.go table.go     what all commits together say
//	commit.go                              how a commit wins
//	encode.go stats.go write.go            rows into files
//	decode.go prune.go scan.go             files into rows
//	plan.go optimize.go vacuum.go          a table that lives for years
package delta
