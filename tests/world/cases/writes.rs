//! How writers write: byte by byte, into preallocated space, back over what was written, without a last line end.
