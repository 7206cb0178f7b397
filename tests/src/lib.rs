//! Harness for tests that run the real binary against real programs.
