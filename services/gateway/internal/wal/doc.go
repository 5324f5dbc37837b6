// Package wal is the gateway's promise to remember.
//
// Every request that passes the gateway becomes one row of an inference table. The row is worth nothing if it can be lost
// between the client's answer and the table, so the gateway first writes it here: an append-only log on the local disk, in
// segments. A request writes a BEGIN record when it is admitted and an END record before its last byte is released. A shipper
// (package ship) reads the log and carries rows to the monitor; what the monitor has stored it acknowledges, and a segment
// whose rows are all acknowledged is deleted.
//
// # What is promised
//
//   - An append with Strict durability returned: the record survives a power cut. One fsync serves all the appends that
//     arrived while the previous one ran (group commit), so the cost per record falls as load rises.
//   - An append with Lean durability returned: the record is in the page cache. It survives the death of this process, not
//     of the machine; it is synced at most Options.SyncInterval later.
//   - A reader sees only what has been synced. So nothing that the outside world was told can be un-written by a crash, and
//     no row number is ever used for two rows.
//   - After a crash every BEGIN without an END is given one (Options.Orphan writes its payload): one admitted request, one row.
//   - The number of admitted requests is itself in the log. Stats proves at any time: admitted = acknowledged + pending.
//
// # What is refused
//
// Only the tail, bytes that were never synced, may be torn: Open cuts it off. Damage anywhere else means that a promise was
// broken by the disk or by a person; Open then fails with fault.DataLoss, names the place and says that Repair exists. Repair
// keeps every whole record and replaces what is damaged by a GAP record of the same size, so that positions stay true. A row
// that is lost in the middle is still counted and shipped, as a row that says so. Rows may also be lost at the end, where
// nothing says how many there were; so a repaired log begins a new epoch, in which rows are counted from 1 again, and no new
// row can be taken for one that the monitor has already. The very last record before a crash is the one thing nothing later
// vouches for: if the disk damages it after it was synced, it looks like a torn tail.
//
// When the disk budget is nearly used up, Begin is refused with fault.Unavailable; END of an admitted request is always
// accepted. Refusals are counted. A failed fsync leaves the state of the file unknown, and no later fsync can repair that
// knowledge; the log then refuses everything until it is opened again.
//
// # Cost
//
// The file is longer than the log: it is extended by a stretch of zeros at a time, and records are written over them. A sync
// then finds the file's length and blocks unchanged and writes the records alone, without the file system's journal, which
// halves both its duration and its CPU. Zeros at the end of the last segment are its end; a finished segment is cut to size.
//
// # Format
//
// A segment file is an 80-byte header and then records. All integers are little-endian.
//
//	segment  magic(8) ordinal(4) seed(4) source(16) epoch(8) admitted(8) logged(8) base(8) reserved(12) crc32c(4)
//	record   kind(4 bits) length(28 bits) crc32c of the payload(4) crc32c of the header(4) synced(4) seq(8) ref(8) payload
//
// admitted and logged are the counts before the segment's first record, so a log that has deleted all its old segments still
// knows how many requests it has seen. seed makes the checksums of this log unpredictable: a request body that happens to
// contain, or was made to contain, the bytes of a record does not pass for one. synced is the length of this segment known to
// be on the disk when the record was written; it is what tells a torn tail (nothing later relies on it) from damage.
package wal
