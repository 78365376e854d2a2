//! Derive, seal, open; no input or output.
