//! Tests of the whole policy engine.
